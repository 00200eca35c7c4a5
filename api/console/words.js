// Every word on the page, in both languages. States and commands follow the 综治 terms.
const zh = {
  title: "网格", username: "用户名", password: "密码", sign_in: "登录", sign_out: "退出", other: "English",
  empty: "目前没有告警。", live: "实时", waiting: "连接中断，正在重连…", change_password: "请尽快修改一次性密码",
  photo: "上传现场照片", uploading: "正在遮挡人脸与车牌并上传…", text: "说明", needs_photo: "请先上传现场照片",
  seen: "最近一次", incidents: "次", grid: "网格", clear: "画面显示现场已恢复", offered: "已派给", unreachable: "无法连接服务器",
  severity: ["", "红色", "橙色", "黄色", "蓝色"],
  state: {
    new: "待受理", acknowledged: "已受理", dismissed: "不予受理", dispatched: "已派遣", accepted: "处置中", on_scene: "已到场",
    returned: "已退回", suspended: "挂账", handled: "已处置", verified: "已核查", closed: "已结案", reopened: "返工",
    transferred_up: "已上报", assigned_down: "已交办", voided: "已作废",
  },
  command: {
    acknowledge: "受理", dismiss: "不予受理", dispatch: "派遣", claim: "抢单", release: "放弃", accept: "接单", arrive: "到场",
    return: "退回", suspend: "挂账1天", resume: "恢复", handle: "处置完成", verify: "核查通过", reject: "核查不通过", close: "结案",
    reopen: "返工", void: "申请作废", confirm_void: "确认作废", refuse_void: "不同意作废", take_over: "签收", note: "备注",
  },
  code: {
    false_alarm: "误报", duplicate: "重复", permitted: "已许可", out_of_scope: "不在范围", wrong_grid: "网格不对",
    wrong_unit: "部门不对", beyond_authority: "超出权限", cannot_find: "找不到现场", unsafe: "不安全", other: "其他",
    fixed_service: "已解决·服务", fixed_management: "已解决·管理", fixed_enforcement: "已解决·执法",
    not_fixed_dispersed: "未处置·已散去", not_fixed_permitted: "未处置·已许可", not_fixed_other: "未解决·其他",
  },
};

const en = {
  title: "Wangge", username: "User name", password: "Password", sign_in: "Sign in", sign_out: "Sign out", other: "中文",
  empty: "There are no alerts.", live: "live", waiting: "connection lost, trying again…",
  change_password: "please change your one-time password", photo: "Add a photo",
  uploading: "masking faces and plates, uploading…", text: "remark", needs_photo: "add a photo of the scene first",
  seen: "last seen", incidents: "times", grid: "grid", clear: "the scene appears clear", offered: "offered to",
  unreachable: "the server does not answer",
  severity: ["", "red", "orange", "yellow", "blue"],
  state: {
    new: "new", acknowledged: "acknowledged", dismissed: "dismissed", dispatched: "dispatched", accepted: "accepted",
    on_scene: "on scene", returned: "returned", suspended: "suspended", handled: "handled", verified: "verified",
    closed: "closed", reopened: "reopened", transferred_up: "transferred up", assigned_down: "assigned down",
    voided: "voided",
  },
  command: {
    acknowledge: "Acknowledge", dismiss: "Dismiss", dispatch: "Dispatch", claim: "Claim", release: "Release",
    accept: "Accept", arrive: "I am there", return: "Return", suspend: "Suspend 1 day", resume: "Resume",
    handle: "Handled", verify: "Verified", reject: "Not fixed", close: "Close", reopen: "Reopen", void: "Ask to void",
    confirm_void: "Confirm void", refuse_void: "Refuse void", take_over: "Take over",
    note: "Note",
  },
  code: {
    false_alarm: "false alarm", duplicate: "duplicate", permitted: "permitted", out_of_scope: "out of scope",
    wrong_grid: "wrong grid", wrong_unit: "wrong unit", beyond_authority: "beyond my authority",
    cannot_find: "cannot find it", unsafe: "unsafe", other: "other", fixed_service: "fixed: service",
    fixed_management: "fixed: management", fixed_enforcement: "fixed: enforcement",
    not_fixed_dispersed: "not fixed: dispersed", not_fixed_permitted: "not fixed: permitted",
    not_fixed_other: "not fixed: other",
  },
};

export const WORDS = { zh, en };
