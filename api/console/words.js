// Every word on the page, in both languages. States and commands follow the 综治 terms.
const zh = {
  title: "网格", username: "用户名", password: "密码", sign_in: "登录", sign_out: "退出", other: "English", colon: "：", todo: "待办", all: "全部",
  empty: "目前没有需要您处理的告警。", live: "实时", waiting: "连接中断，正在重连…", log: "处理记录", sheet: "处置单（打印）", change: "修改一次性密码", old_password: "当前密码", new_password: "新密码（至少 12 个字符）",
  save: "保存", changed: "密码已修改", photo: "拍照上传", uploading: "正在遮挡人脸与车牌并上传…", uploaded: "照片已上传", text: "说明", needs_photo: "请先上传现场照片。",
  needs_text: "请先填写说明。", choose: "请选择", picture: "已遮挡的画面", persons: "现有人数", seen: "最近一次", incidents: "检测次数", clear: "画面显示现场已恢复", mine: "由您处置",
  others: "已有人处置", claimed: "您已抢单，请在此时间前接单：", claimed_by_other: "他人已抢单，至", unreachable: "无法连接服务器，请稍后再试。", resend: "重新上传照片", wrong_password: "用户名或密码不正确。",
  again: "请在 {s} 秒后重试。", practice: "演练", members: "同一成因，共 {n} 条告警",
  problem: {
    unauthenticated: "登录已失效，请重新登录。", stale_version: "内容已被他人更新，未执行。请查看最新内容后再决定。", too_many_attempts: "尝试次数过多。", unavailable: "系统部分服务暂不可用，未执行。",
    too_large: "照片过大，请缩小后再上传。",
  },
  severity: ["", "红色", "橙色", "黄色", "蓝色"],
  state: {
    new: "待受理", acknowledged: "已受理", dismissed: "不予受理", dispatched: "已派遣", accepted: "处置中", on_scene: "已到场", returned: "已退回", suspended: "挂账",
    handled: "已处置", verified: "已核查", closed: "已结案", reopened: "返工", transferred_up: "已上报", assigned_down: "已交办", voided: "已作废",
  },
  event: {
    detected: "发现", scene_clear: "现场恢复", claimed: "抢单", released: "放弃", claim_expired: "抢单超时", accepted: "接单", arrived: "到场", resumed: "恢复",
    rejected: "核查不通过", noted: "备注", transferred_across: "移交部门", taken_over: "接手", declined: "拒收", void_requested: "申请作废", void_refused: "不同意作废",
    voided_alone: "单人作废", void_lapsed: "作废无人确认，已撤销", supervised: "督办", supervision_replied: "督办回复", co_assignee_added: "增加协同", co_assignee_removed: "取消协同",
    evaluated: "评价", called_back: "回访", asked_again: "再次催办受理", escalated: "超时升级", erased: "依规删除", grouped: "归并成案",
  },
  command: {
    acknowledge: "受理", dismiss: "不予受理", dispatch: "派遣", claim: "抢单", release: "放弃", accept: "接单", arrive: "到场", return: "退回", suspend: "挂账1天",
    resume: "恢复", handle: "处置完成", verify: "核查通过", reject: "核查不通过", close: "结案", reopen: "返工", void: "申请作废", note: "备注",
    take_over: "接手", decline: "拒收", confirm_void: "同意作废", refuse_void: "不同意作废", void_alone: "单人作废", supervise: "督办（1天内回复）", reply: "回复督办",
  },
  code: {
    dismiss: { false_alarm: "误报", duplicate: "重复", permitted: "已许可", out_of_scope: "不在范围" },
    return: { wrong_grid: "网格不对", wrong_unit: "部门不对", beyond_authority: "超出权限", cannot_find: "找不到现场", unsafe: "不安全", other: "其他" },
    close: { fixed_service: "已解决·服务", fixed_management: "已解决·管理", fixed_enforcement: "已解决·执法", not_fixed_dispersed: "未处置·已散去", not_fixed_permitted: "未处置·已许可", not_fixed_other: "未解决·其他" },
  },
};

const en = {
  title: "Wangge", username: "User name", password: "Password", sign_in: "Sign in", sign_out: "Sign out", other: "中文", colon: ": ", todo: "To do",
  all: "All", empty: "There is nothing for you to do.", live: "live", waiting: "connection lost, trying again…", log: "What happened", sheet: "Case sheet (to print)",
  change: "Change one-time password", old_password: "Current password", new_password: "New password (12 characters or more)", save: "Save",
  changed: "The password is changed.", photo: "Add a photo", uploading: "masking faces and plates, uploading…", uploaded: "the photo is there",
  text: "remark", needs_photo: "Add a photo of the scene first.", needs_text: "Write a remark first.", choose: "choose", picture: "masked picture",
  persons: "persons at the last look:", seen: "last seen", incidents: "times detected", clear: "the scene appears clear", mine: "yours to handle",
  others: "someone is handling it", claimed: "you claimed it: accept it before", claimed_by_other: "someone else claimed it until",
  unreachable: "The server does not answer. Try again soon.", resend: "Send the photo again", wrong_password: "The user name or the password is wrong.",
  again: "Try again in {s} s.", practice: "EXERCISE", members: "One case of {n} alerts",
  problem: {
    unauthenticated: "Your sign-in has ended. Please sign in again.",
    stale_version: "Not done: someone changed it meanwhile. Look at how it is now, then decide.", too_many_attempts: "Too many tries.",
    unavailable: "Not done: a part of the system does not answer.", too_large: "The photo is too large: make it smaller.",
  },
  severity: ["", "red", "orange", "yellow", "blue"],
  state: {
    new: "new", acknowledged: "acknowledged", dismissed: "dismissed", dispatched: "dispatched", accepted: "accepted", on_scene: "on scene",
    returned: "returned", suspended: "suspended", handled: "handled", verified: "verified", closed: "closed", reopened: "reopened",
    transferred_up: "transferred up", assigned_down: "assigned down", voided: "voided",
  },
  event: {
    detected: "detected", scene_clear: "scene clear", claimed: "claimed", released: "released", claim_expired: "claim ran out", accepted: "accepted",
    arrived: "on scene", resumed: "resumed", rejected: "not fixed", noted: "note", transferred_across: "transferred to a unit", taken_over: "taken over", declined: "declined",
    void_requested: "void asked for", void_refused: "void refused", voided_alone: "voided by one", void_lapsed: "void taken back: nobody confirmed it",
    supervised: "supervised", supervision_replied: "answer to the supervisor", co_assignee_added: "co-assignee added",
    co_assignee_removed: "co-assignee removed", evaluated: "evaluated", called_back: "called back", asked_again: "asked again",
    escalated: "escalated: time ran out", erased: "erased", grouped: "grouped into one case",
  },
  command: {
    acknowledge: "Acknowledge", dismiss: "Dismiss", dispatch: "Dispatch", claim: "Claim", release: "Release", accept: "Accept", arrive: "I am there",
    return: "Return", suspend: "Suspend 1 day", resume: "Resume", handle: "Handled", verify: "Verified", reject: "Not fixed", close: "Close",
    reopen: "Reopen", void: "Ask to void", note: "Note", take_over: "Take over", decline: "Decline", confirm_void: "Confirm the void",
    refuse_void: "Refuse the void", void_alone: "Void alone", supervise: "Supervise (answer in 1 day)", reply: "Answer the supervisor",
  },
  code: {
    dismiss: { false_alarm: "false alarm", duplicate: "duplicate", permitted: "permitted", out_of_scope: "out of scope" },
    return: { wrong_grid: "wrong grid", wrong_unit: "wrong unit", beyond_authority: "beyond my authority", cannot_find: "cannot find it", unsafe: "unsafe", other: "other" },
    close: { fixed_service: "fixed: service", fixed_management: "fixed: management", fixed_enforcement: "fixed: enforcement", not_fixed_dispersed: "not fixed: dispersed", not_fixed_permitted: "not fixed: permitted", not_fixed_other: "not fixed: other" },
  },
};

export const speech = { language: localStorage.getItem("language") ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en") };
export const words = () => (speech.language === "zh" ? zh : en);
export const moment = (text) => new Date(text).toLocaleString(speech.language === "zh" ? "zh-CN" : "en-GB");
