"""Which days are working days in the People's Republic of China.

Source: the State Council's yearly notices on the arrangement of holidays, as the library `chinesecalendar` has them, with the days on
which work is made up for. Years that it does not know (the notice for a year appears in the November before) have weekends only.
"""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar
from chinese_calendar.constants import holidays, workdays

ONE_DAY = timedelta(days=1)
_KNOWN = frozenset(day.year for day in (*holidays, *workdays))


def is_known(year: int) -> bool:
    """Whether the holidays of a year are known; otherwise only its weekends are free.

    >>> is_known(2026), is_known(2099)
    (True, False)
    """
    return year in _KNOWN


def is_workday(day: date) -> bool:
    """Whether people work on a day.

    >>> is_workday(date(2026, 10, 1)), is_workday(date(2026, 10, 10))  # National Day; a Saturday that is made up for
    (False, True)
    """
    return bool(chinese_calendar.is_workday(day)) if day.year in _KNOWN else day.weekday() < 5


def workday_after(day: date, count: int) -> date:
    """The working day that is the `count`-th after a day, which itself does not count.

    >>> workday_after(date(2026, 9, 30), 1)  # over the seven days of the National Day
    datetime.date(2026, 10, 8)
    """
    while count > 0:
        day += ONE_DAY
        count -= is_workday(day)
    return day


def workdays_between(start: date, end: date) -> int:
    """How many working days lie after `start` and up to `end`."""
    return sum(is_workday(start + timedelta(days=number)) for number in range(1, (end - start).days + 1))
