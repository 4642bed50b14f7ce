"""The page, its live stream, and signing in and out with a token."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from homeostat.views.overview import Overview, overview
from homeostat.views.snapshot import Snapshot
from homeostat_services.access import Caller, Guard, Refused, Unauthenticated
from homeostat_services.console import charts
from homeostat_services.console.api import COOKIE, Reader
from homeostat_services.console.rights import listable, visible_namespaces
from homeostat_services.console.state import State

STATIC = Path(__file__).parent / "static"
HEARTBEAT_SECONDS = 15.0

TEMPLATES = Environment(
    loader=PackageLoader("homeostat_services.console"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["number"] = charts.number


class CrossSite(Refused):
    """A form of another site."""


def render_sections(page: Overview, outage: str | None) -> dict[str, Markup]:
    """The parts of the page by id, in their order; what the live stream compares and sends."""
    parts = TEMPLATES.get_template("sections.html").make_module()
    drawn = {
        "notice": parts.notice(page, outage),  # type: ignore[attr-defined]
        "why": parts.why(page),  # type: ignore[attr-defined]
        "loop": parts.loop(page),  # type: ignore[attr-defined]
        "signals": parts.signals(page, charts.bullet, charts.sparkline),  # type: ignore[attr-defined]
        "rollout": parts.rollouts(page, charts.difference),  # type: ignore[attr-defined]
        "timeline": parts.timeline(page),  # type: ignore[attr-defined]
    }
    return {name: Markup(html.strip()) for name, html in drawn.items()}  # noqa: S704 - autoescaped by the template


class Viewer:
    """What one caller sees of one namespace."""

    def __init__(self, state: State, guard: Guard) -> None:
        self._state, self._guard = state, guard

    async def namespaces(self, caller: Caller) -> list[str]:
        """Namespaces that the caller can choose from."""
        return await visible_namespaces(self._guard, caller, (self._state.snapshot or Snapshot()).namespaces())

    async def sections(self, caller: Caller, namespace: str) -> dict[str, Markup]:
        """The parts of the page now.

        Raises:
            Refused: The caller may list nothing there, or the API server gave no answer.
        """
        allowed = await listable(self._guard, caller, namespace) if namespace else frozenset()
        shown = overview(self._state.snapshot or Snapshot(), namespace, allowed, self._state.windows)
        return render_sections(shown, self._state.outage)

    async def stream(self, token: str, namespace: str) -> AsyncIterator[str]:
        """Server-sent events: at first every section, then those that changed; ends when the token does."""
        sent: dict[str, Markup] = {}
        offered: list[str] | None = None
        self._state.begin_watch()
        try:
            while True:
                try:
                    # Asked again each time (from the cache mostly): a revoked token or right ends the stream.
                    caller = await self._guard.authenticate(token)
                    sections = await self.sections(caller, namespace)
                    namespaces = await self.namespaces(caller)
                except Unauthenticated:
                    yield _event("signed-out", {})
                    return
                except Refused as error:
                    sections, namespaces = {**sent, "notice": _alert(str(error))}, offered or []
                changed = [name for name, html in sections.items() if sent.get(name) != html]
                for name in changed:
                    yield _event("section", {"id": name, "html": sections[name]})
                if offered is not None and namespaces != offered:
                    yield _event("namespaces", {})
                if not changed:
                    yield ": still here\n\n"
                sent, offered = sections, namespaces
                await self._state.news(HEARTBEAT_SECONDS)
        finally:
            self._state.end_watch()


def _alert(text: str) -> Markup:
    return Markup('<p class="alert" role="alert">{}</p>').format(text)


def _event(name: str, data: dict[str, str]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _same_site(request: Request) -> None:
    """Refuse a form that another site made a browser send.

    Raises:
        CrossSite: The browser names another origin.
    """
    origin = request.headers.get("origin")
    if origin not in {None, "null"} and urlsplit(origin or "").netloc != request.headers.get("host"):
        raise CrossSite(f"this form came from {origin}; open the console itself and sign in there")


def page_routes(state: State, guard: Guard) -> APIRouter:
    """The routes for browsers."""
    routes = APIRouter(include_in_schema=False)
    _add_pages(routes, Viewer(state, guard), guard)
    _add_session(routes, guard)
    return routes


def _add_pages(routes: APIRouter, viewer: Viewer, guard: Guard) -> None:
    @routes.get("/")
    async def page(request: Request, namespace: str = "") -> Response:
        """The page of a namespace, or of the first that the caller may list."""
        try:
            caller = await guard.authenticate(request.cookies.get(COOKIE))
        except Unauthenticated:
            return RedirectResponse("/login", 303)
        namespaces = await viewer.namespaces(caller)
        chosen = namespace or (namespaces[0] if namespaces else "")
        shown = {"namespace": chosen, "namespaces": namespaces, "caller": caller.name}
        sections = await viewer.sections(caller, chosen)
        return HTMLResponse(TEMPLATES.get_template("page.html").render(shown, sections=sections))

    @routes.get("/live")
    async def live(request: Request, _caller: Reader, namespace: str = "") -> StreamingResponse:
        """Server-sent events with the parts of the page that changed."""
        token = request.cookies.get(COOKIE, "")
        return StreamingResponse(viewer.stream(token, namespace), media_type="text/event-stream")


def _add_session(routes: APIRouter, guard: Guard) -> None:
    @routes.get("/login")
    async def login_page() -> HTMLResponse:
        """The form that takes a Kubernetes token."""
        return HTMLResponse(TEMPLATES.get_template("login.html").render(error=""))

    @routes.post("/login")
    async def login(request: Request) -> Response:
        """Keep a valid token in a cookie."""
        _same_site(request)
        form = parse_qs((await request.body()).decode(errors="replace"))
        token = form.get("token", [""])[0].strip()
        try:
            await guard.authenticate(token)
        except Refused as error:
            template = TEMPLATES.get_template("login.html")
            return HTMLResponse(template.render(error=str(error)), error.status)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return answer

    @routes.post("/logout")
    async def logout(request: Request) -> Response:
        """Delete the cookie."""
        _same_site(request)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer
