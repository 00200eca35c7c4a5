"""GET /trust: how a phone or computer comes to trust this installation's own certificate authority."""

from pathlib import Path

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse

from api.auth import PUBLIC
from api.services import House, Services
from api.tls import pair_of, read_certificate, spelt
from models.errors import NotFound

router = APIRouter(include_in_schema=False, dependencies=[Depends(PUBLIC)])

_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>网格 · 信任证书 Trust</title></head><body>
<h1>信任本系统的根证书 Trust this installation</h1>
<p><a href="/trust/ca.crt" download="wangge-ca.crt">下载根证书 Download the certificate</a></p>
<p>安装前请与管理员核对指纹，不一致请勿安装。<br>
Compare this fingerprint with the one your administrator read to you; if they differ, do not install it.</p>
<p>SHA-256 <code>{fingerprint}</code></p>
<ol>
<li>Android: 设置 → 安全 → 加密与凭据 → 安装证书 → CA 证书 / Settings → Security → Encryption → Install → CA</li>
<li>iOS: 设置 → 已下载描述文件 → 安装；再到 通用 → 关于本机 → 证书信任设置 打开 / Settings → Profile → Install, then
General → About → Certificate Trust Settings</li>
<li>Windows: 双击 → 安装证书 → 受信任的根证书颁发机构 / Install → Trusted Root Certification Authorities</li>
</ol></body></html>
"""


def _authority(house: Services) -> Path:
    pair = pair_of(house.settings)
    if pair is None or pair.ca is None or not pair.ca.exists():
        raise NotFound("this installation has no certificate authority of its own")
    return pair.ca


@router.get("/trust")
def page(house: House) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(fingerprint=spelt(read_certificate(_authority(house)).sha256)))


@router.get("/trust/ca.crt")
def authority(house: House) -> Response:
    return Response(_authority(house).read_bytes(), media_type="application/x-x509-ca-cert")
