"""A program for a 32-bit machine has a time_t of 64 bits here (meson.build), and Debian 12's libraries there have one of 32:
none but libc's functions may be handed a time_t, or a structure that holds one."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Of the libraries of docs/architecture.md: each function of their headers that takes or gives one.
TAKES_A_TIME = re.compile(
    r"\b(?:archive_entry_(?:set_)?[abcm]time(?:_nsec)?|archive_entry_(?:copy_)?stat|archive_read_disk_set_\w*time\w*|archive_match_\w*time\w*"
    r"|ASN1_(?:UTCTIME|GENERALIZEDTIME|TIME)_(?:set|adj|cmp_time_t)|X509_(?:cmp_time|time_adj(?:_ex)?|VERIFY_PARAM_(?:set|get0?)_time)"
    r"|X509_STORE_CTX_set_time|X509_gmtime_adj|SSL_SESSION_[sg]et_time|OPENSSL_gmtime(?:_\w+)?|SSL_CTX_flush_sessions|OCSP_check_validity"
    r"|curl_getdate|CURLINFO_FILETIME|DTLSv1_get_timeout|evutil_\w*time\w*|event_base_loopexit)\b"
)
# X509_gmtime_adj and X509_time_adj(…, NULL) are handed none; nobody needs them here either.


def calls(text: str) -> list[str]:
    code = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.DOTALL)
    return [f"{code.count(chr(10), 0, match.start()) + 1}: {match[0]}" for match in TAKES_A_TIME.finditer(code)]


def test_the_check_can_fail():
    assert calls("/* X509_cmp_time\n */\narchive_entry_set_mtime(entry, 0, 0);") == ["3: archive_entry_set_mtime"]
    assert calls("X509_cmp_current_time(at); ASN1_TIME_to_tm(at, &parts);") == []


def test_no_library_is_handed_a_time():
    found = [f"{path.relative_to(ROOT)}:{call}" for path in sorted((ROOT / "src").rglob("*.[ch]")) for call in calls(path.read_text(encoding="utf-8"))]
    assert found == []
