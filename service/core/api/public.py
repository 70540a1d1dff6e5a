"""The service's own pages: the start page, the API documentation, and their static files."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.responses import HTMLResponse

from service.core.pages import assets, shell
from service.core.problems import NotFound
from service.core.settings import settings

router = APIRouter(include_in_schema=False)


@router.get("/")
def start() -> HTMLResponse:
    return shell.page("start.html", dashboards=settings().public_base_url)


@router.get("/api/docs")
def docs() -> HTMLResponse:
    return shell.page("docs.html")


@router.get(f"{assets.PATH}/{{name}}")
def static(name: str) -> Response:
    asset = assets.find(name)
    if asset is None:
        raise NotFound("指定されたファイルは見つかりません。画面を読み込み直してください。")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(asset.content, headers=headers, media_type=asset.content_type)
