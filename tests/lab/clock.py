"""The lab's clock. Its offset makes a client's clock look wrong without touching the machine's."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime


class Clock:
    def __init__(self) -> None:
        self.offset_seconds = 0.0

    def now(self) -> datetime:
        return datetime.now(timezone.utc) + timedelta(seconds=self.offset_seconds)

    def http_date(self) -> str:
        return format_datetime(self.now(), usegmt=True)


def amz_date(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")
