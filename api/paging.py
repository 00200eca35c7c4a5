"""Links from page to page (RFC 8288)."""

from fastapi import Request, Response


def link_next(request: Request, response: Response, after: str | None) -> None:
    """Says in the Link header where the next page is; nothing at the end. The link is relative."""
    if after is not None:
        query = request.url.include_query_params(after=after).query
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
