"""A read-only connection to an operator's PostgreSQL, and its errors in words that tell nothing of the URL.

Every read is a transaction of its own that can't write, whose statements end after `FATURE_OPS_TIMEOUT_S`. Its settings
are made by the transaction, not by the session, so a pooler may stand in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fature_kv.errors import OperationsError, UsageError

_CONNECT: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "30",  # a connection that was cut without a word is found out within a minute
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "application_name": "fature-kv sync",
}
"""What is said where the URL says nothing else of it."""
_SECRETS: Final = ("password", "user", "passfile", "sslpassword", "sslkey")
_SHORTEST_SECRET: Final = 3
_BEGIN: Final = """
select (extract(epoch from now()) * 1000000)::bigint,
       set_config('statement_timeout', %(timeout)s, true), set_config('timezone', 'UTC', true),
       set_config('datestyle', 'ISO', true), set_config('extra_float_digits', '1', true),
       set_config('cursor_tuple_fraction', '1', true), set_config('jit', 'off', true),
       set_config('enable_seqscan', %(seqscan)s, true)
"""
"""One statement: the instant of the transaction, and how it runs. Values are written as our parser reads them; a cursor
is planned to be read to its end; where rows are looked for by index, tables are not read instead."""


class Database:
    """A connection; made when it is opened, closed by `close`."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Connects. Raises UsageError for a URL that is none, OperationsError where nobody answers."""
        self.timeout_s = timeout_s
        told = _parameters(url)
        self._secrets = [str(told[name]) for name in _SECRETS if len(str(told.get(name) or "")) >= _SHORTEST_SECRET]
        with self.translated("can't be reached"):
            self.connection = psycopg.connect(
                make_conninfo(**{**_CONNECT, **told}), autocommit=True, client_encoding="utf8", prepare_threshold=None
            )
        self.connection.read_only = True

    @property
    def name(self) -> str:
        """Which database it is, for people."""
        info = self.connection.info
        return f"{info.host or 'local'}/{info.dbname}"

    @property
    def place(self) -> tuple[str, int, str]:
        """Which database it is, among all."""
        info = self.connection.info
        return info.host, info.port, info.dbname

    @contextmanager
    def transaction(self, doing: str, *, by_index: bool = False) -> Iterator[int]:
        """A read-only transaction; gives its instant by the database's clock, in microseconds; OperationsError."""
        with self.translated(doing), self.connection.transaction():
            timeout = f"{max(1, round(self.timeout_s * 1000))}ms"
            told = {"timeout": timeout, "seqscan": "off" if by_index else "on"}
            row = self.connection.execute(_BEGIN, told).fetchone()
            assert row is not None
            yield row[0]

    def rows(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """All rows of a small answer."""
        return self.connection.execute(query.encode(), parameters).fetchall()

    def lists(self, query: str, size: int) -> Iterator[list[tuple[str | None, ...]]]:
        """The rows of a query, up to `size` at a time and no more of them in memory."""
        with self.connection.cursor(name="fature_kv_sync") as cursor:
            cursor.execute(query.encode())
            more = True
            while more and (rows := cursor.fetchmany(size)):
                more = len(rows) == size
                yield rows

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Errors of PostgreSQL and of the way to it, as OperationsError."""
        try:
            yield
        except (psycopg.Error, UnicodeDecodeError) as error:
            raise OperationsError(f"the operations database {doing}: {self._told(error)}") from None

    def _told(self, error: psycopg.Error | UnicodeDecodeError) -> str:
        """One line of what went wrong and what to do, without anything secret."""
        if isinstance(error, UnicodeDecodeError):
            return "it holds text that is no UTF-8; mend it, or give the database its true encoding"
        words = error.diag.message_primary or next(iter(str(error).strip().splitlines()), type(error).__name__)
        for secret in self._secrets:
            words = words.replace(secret, "***")
        for kind, remedy in _REMEDIES:
            if isinstance(error, kind):
                return f"{words}; {remedy}"
        return words


_REMEDIES: Final[tuple[tuple[type[psycopg.Error], str], ...]] = (
    (errors.QueryCanceled, "an index may be lacking, or give it longer with FATURE_OPS_TIMEOUT_S"),
    (errors.InsufficientPrivilege, "grant the user SELECT on it"),
    (errors.UndefinedTable, "was it changed just now? Run the same again, or tell its name with `mapping set`"),
    (errors.UndefinedColumn, "was it changed just now? Run the same again, or tell its name with `mapping set`"),
    (errors.InvalidAuthorizationSpecification, "check user and password of the URL"),
    (psycopg.OperationalError, "run the same again when it answers"),
)


def _parameters(url: str) -> dict[str, Any]:
    if not url.startswith(("postgresql://", "postgres://")):
        raise UsageError("the URL of the operations database can't be used: it has to start with postgresql://")
    try:
        return {name: value for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:  # its words hold parts of the URL
        raise UsageError(
            "the URL of the operations database can't be read: give postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
            "with special characters of the password as %XX"
        ) from None


def quoted(name: str) -> str:
    """A name, or `schema.name`, as an identifier of SQL."""
    return ".".join(sql.Identifier(part).as_string(None) for part in name.split("."))
