"""`/affiliates`: people, their networks and their figures."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.params import PathParameter, QueryParameter

from fature_kv.api import decisions, parameters
from fature_kv.api.bodies import OverrideOperation
from fature_kv.api.parameters import Cursor, Limit
from fature_kv.api.problems import responses
from fature_kv.api.session import Opened
from fature_kv.domain.calendar import PERIODS
from fature_kv.figures import affiliates, dashboard, explanation, levels, referrals, streaks, summaries
from fature_kv.figures.answers import (
    AffiliateAnswer,
    AffiliatesAnswer,
    CpaAnswer,
    DashboardAnswer,
    MlmAnswer,
    ReferralsAnswer,
    StreakAnswer,
    SummaryAnswer,
)

Id: TypeAlias = Annotated[int, PathParameter(description="An affiliate.")]


class AffiliatesController(Controller):
    """Figures of people."""

    path = "/affiliates"
    tags = ("affiliates",)

    @get(summary="Up to 100 affiliates at once", responses=responses())
    async def many(
        self,
        session: Opened,
        ids: Annotated[str | None, QueryParameter(description="Ids apart by commas, 100 at most.")] = None,
    ) -> AffiliatesAnswer:
        """Affiliates in the order asked for; who does not exist for the caller is left out."""
        session.need("figures:read")
        people = parameters.ids(ids)
        return await session.answer(lambda tenant: affiliates.affiliates(tenant, people, session.viewer))

    @get("/{affiliate_id:int}", summary="An affiliate", responses=responses())
    async def one(self, session: Opened, affiliate_id: Id) -> AffiliateAnswer:
        """The record of a person: network totals and own figures."""
        session.need("figures:read")
        return await session.answer(lambda tenant: affiliates.affiliate(tenant, affiliate_id, session.viewer))

    @get("/{affiliate_id:int}/mlm-structure", summary="Levels 1 to 5 of a network", responses=responses())
    async def mlm_structure(self, session: Opened, affiliate_id: Id) -> MlmAnswer:
        """All-time figures by level."""
        session.need("figures:read")
        return await session.answer(lambda tenant: levels.mlm_structure(tenant, affiliate_id, session.viewer))

    @get("/{affiliate_id:int}/referrals", summary="The members of a level", responses=responses())
    async def referrals(
        self,
        session: Opened,
        affiliate_id: Id,
        level: Annotated[int | None, QueryParameter(ge=1, le=5, description="1 to 5; required.")] = None,
        status: Annotated[str | None, QueryParameter(description="pending or validated; both unless told.")] = None,
        limit: Limit = None,
        cursor: Cursor = None,
    ) -> ReferralsAnswer:
        """Members by ascending id, with what the affiliate earns for each."""
        session.need("figures:read")
        asked = parameters.level(level)
        if status is not None:
            parameters.one_of("status", status, referrals.STATUSES)
        size = limit or session.page_limit
        return await session.answer(
            lambda tenant: referrals.referrals(tenant, affiliate_id, asked, status, size, cursor, session.viewer)
        )

    @get("/{affiliate_id:int}/financial-summary", summary="A network by period", responses=responses())
    async def financial_summary(
        self,
        session: Opened,
        affiliate_id: Id,
        period: Annotated[str | None, QueryParameter(description=f"{' or '.join(PERIODS)}; required.")] = None,
        first: Annotated[str | None, QueryParameter(name="from", description="A day, YYYY-MM-DD.")] = None,
        last: Annotated[str | None, QueryParameter(name="to", description="A day, YYYY-MM-DD, inside.")] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=summaries.MAX_LIMIT)] = summaries.DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> SummaryAnswer:
        """Whole periods that touch the range, ascending, empty ones left out."""
        session.need("figures:read")
        kind = parameters.period(period)
        begin, end = parameters.day("from", first), parameters.day("to", last)
        return await session.answer(
            lambda tenant: summaries.summary(tenant, affiliate_id, kind, begin, end, limit, cursor, session.viewer)
        )

    @get("/{affiliate_id:int}/streak", summary="Consecutive active days", responses=responses())
    async def streak(
        self,
        session: Opened,
        affiliate_id: Id,
        at: Annotated[str | None, QueryParameter(description="A day, YYYY-MM-DD; today unless told.")] = None,
    ) -> StreakAnswer:
        """The streak read on a day; activity after it does not exist for it."""
        session.need("figures:read")
        day = parameters.day("at", at)
        on = session.today if day is None else day
        return await session.answer(lambda tenant: streaks.streak(tenant, affiliate_id, on, session.viewer))

    @get("/{affiliate_id:int}/dashboard", summary="All that a person looks at first", responses=responses())
    async def dashboard(self, session: Opened, affiliate_id: Id) -> DashboardAnswer:
        """The record, levels, ranks, streak, today, this month and the one before."""
        session.need("figures:read")
        today = session.today
        return await session.answer(lambda tenant: dashboard.dashboard(tenant, affiliate_id, today, session.viewer))

    @post(
        "/{affiliate_id:int}/validate-cpa",
        status_code=200,
        summary="Why a player qualified, or not yet; a manager may declare it",
        operation_class=OverrideOperation,
        responses=responses(),
    )
    async def validate_cpa(
        self, session: Opened, request: Request[Any, Any, Any], affiliate_id: Id, state: State
    ) -> CpaAnswer:
        """The criteria met, the sums that decided, and who earns what by it.

        With `override` a manager declares the player qualified on a day, which wins over the criteria.
        """
        session.need("figures:read")
        override = decisions.override_of(await request.body())
        if override is not None:
            session.need("decisions:write")
            await decisions.declare(state, session, affiliate_id, override)
        return await session.answer(lambda tenant: explanation.validate_cpa(tenant, affiliate_id, session.viewer))
