"""The doctor: whether a training job would start and stay alive here, found out before it is tried.

Facts are gathered first (``application``, ``survey`` with ``probe`` on every executor), then judged by pure functions
(``checks``), then shown (``fold``, ``render``). ``full`` is ``jobs/doctor.py``; ``quick`` is what training does first.
"""

from sparkcv.doctor.finding import DoctorReport, Finding
from sparkcv.doctor.full import examine
from sparkcv.doctor.quick import check_start
from sparkcv.doctor.render import sentence, table

__all__ = ["DoctorReport", "Finding", "check_start", "examine", "sentence", "table"]
