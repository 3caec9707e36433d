"""Every spelling of money in DOMAIN.md, and what must not pass for one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fature_kv.domain.money import MAX_CENTS, MoneyError, format_money, money_text, parse_money

CENTS = st.integers(0, MAX_CENTS)


@pytest.mark.parametrize(
    ("value", "cents"),
    [
        ("105.57", 10557),
        ("105,57", 10557),
        ("1.234,56", 123456),
        ("1,234.56", 123456),
        ("R$ 1.234,56", 123456),
        ("R$\u00a01.234,56", 123456),
        ("R$1234,5", 123450),
        (" 105 ", 10500),
        ("105,5", 10550),
        ("0,50", 50),
        ("0", 0),
        ("007.50", 750),
        ("1.234.567,89", 123456789),
        ("1,234,567.8", 123456780),
        ("90071992547409.91", MAX_CENTS),
        (105, 10500),
        (105.57, 10557),
        (0.1 + 0.2, 30),
        (1234567890.12, 123456789012),
        (-0.0, 0),
        (1e3, 100000),
        (Decimal("105.570"), 10557),
        (Decimal("1.2300000001"), 123),
    ],
)
def test_spellings_that_count(value: object, cents: int) -> None:
    assert parse_money(value) == cents


@pytest.mark.parametrize(
    "value",
    [
        "1.234",
        "1,234",
        "0.000",
        "105.570",
        "1.2345",
        "12.34,56",
        "1,23,456.00",
        "1.234.56",
        "1.23.456",
        "1234.567,89",
        "0.123,45",
        "1.234,567",
        "1.234.567",
        "1,234,567",
        "1,234.567",
        "1 234,56",
        ".50",
        ",5",
        "105.",
        "",
        "  ",
        "R$",
        "-",
        "abc",
        "1e3",
        "1E3",
        "nan",
        "inf",
        "Infinity",
        "+5",
        "5-",
        "(5,00)",
        "--5",
        "-R$ -5",
        "$ 5",
        "5 R$",
        "0x10",
        "1_000",
        "٣",
        "−5",
        "-0,00",
        "90071992547409.92",
        "-1.234",
        "-abc",
        "9" * 60,
        "9" * 5000,
        None,
        True,
        False,
        float("nan"),
        float("inf"),
        -float("inf"),
        105.574,
        -5.123,
        1e300,
        2**80,
        [],
        {},
        b"5",
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1E+999999"),
        Decimal("0.001"),
    ],
)
def test_anything_else_is_bad_money(value: object) -> None:
    with pytest.raises(MoneyError) as error:
        parse_money(value)
    assert error.value.reason == "bad_money"


@pytest.mark.parametrize("value", ["-5", "-5,00", "- 5", "R$ -5,00", "-R$ 1.234,56", -5, -5.5, Decimal("-0.01")])
def test_a_number_below_zero_says_so(value: object) -> None:
    with pytest.raises(MoneyError) as error:
        parse_money(value)
    assert error.value.reason == "negative"


@given(CENTS)
def test_what_is_written_is_read_back(cents: int) -> None:
    assert parse_money(format_money(cents, "pt-BR")) == cents
    assert parse_money(format_money(cents, "en")) == cents
    assert parse_money("R$ " + format_money(cents)) == cents
    assert parse_money(money_text(cents)) == cents
    assert parse_money(Decimal(cents) / 100) == cents


@given(st.integers(0, 10**13))
def test_floats_of_whole_centavos_are_exact(cents: int) -> None:
    assert parse_money(cents / 100) == cents


@given(st.text(alphabet="0123456789.,-+ R$eE", max_size=20) | st.text(max_size=10) | st.floats() | st.decimals())
def test_either_an_amount_in_range_or_a_reason(value: object) -> None:
    try:
        cents = parse_money(value)
    except MoneyError as error:
        outcome: object = error.reason
    else:
        outcome = 0 <= cents <= MAX_CENTS
    assert outcome in ("bad_money", "negative", True)


def test_writing() -> None:
    assert format_money(123456789) == "1.234.567,89"
    assert format_money(-123456, "en") == "-1,234.56"
    assert money_text(-5) == "-0.05"
