"""`/leaderboards`: who is ahead."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from litestar import Controller, get
from litestar.params import FromPath, PathParameter, QueryParameter

from fature_kv.api import parameters
from fature_kv.api.front import VERSIONED
from fature_kv.api.parameters import Limit
from fature_kv.api.problems import responses
from fature_kv.api.session import Opened
from fature_kv.figures import boards
from fature_kv.figures.answers import AroundAnswer, BoardAnswer
from fature_kv.figures.boards import BOARDS

MAX_RADIUS: Final = 100
MAX_OFFSET: Final = 2**31

Metric: TypeAlias = Annotated[str, PathParameter(description=f"One of {', '.join(BOARDS)}.")]
BoardPeriod: TypeAlias = Annotated[
    str | None,
    QueryParameter(description="all, day, week or month; rev: all or month; streak: day. The first unless told."),
]
At: TypeAlias = Annotated[str | None, QueryParameter(description="A day of the period, YYYY-MM-DD; today unless told.")]


class LeaderboardsController(Controller):
    """Boards of active affiliates with a score other than zero."""

    path = "/leaderboards"
    tags = ("leaderboards",)
    opt = VERSIONED

    @get("/{metric:str}", summary="A leaderboard", responses=responses())
    async def board(
        self,
        session: Opened,
        metric: Metric,
        period: BoardPeriod = None,
        at: At = None,
        limit: Limit = None,
        offset: Annotated[int, QueryParameter(ge=0, le=MAX_OFFSET, description="Places to leave out.")] = 0,
    ) -> BoardAnswer:
        """A page; ranks are exact across pages, and ties list by ascending id."""
        session.need("boards:read")
        kind, day = boards.check_board(metric, period), parameters.day("at", at)
        on = session.today if day is None else day
        size = limit or session.page_limit
        return await session.answer(lambda tenant: boards.board(tenant, metric, kind, on, size, offset, session.viewer))

    @get(
        "/{metric:str}/around/{affiliate_id:int}",
        summary="The neighbours of an affiliate on a leaderboard",
        responses=responses(),
    )
    async def around(
        self,
        session: Opened,
        metric: Metric,
        affiliate_id: FromPath[int],
        period: BoardPeriod = None,
        at: At = None,
        radius: Annotated[int, QueryParameter(ge=0, le=MAX_RADIUS, description="Places on either side.")] = 5,
    ) -> AroundAnswer:
        """The affiliate with up to `radius` places on either side; no rank and no items when not listed."""
        session.need("boards:read")
        kind, day = boards.check_board(metric, period), parameters.day("at", at)
        on = session.today if day is None else day
        return await session.answer(
            lambda tenant: boards.around(tenant, metric, kind, on, affiliate_id, radius, session.viewer)
        )
