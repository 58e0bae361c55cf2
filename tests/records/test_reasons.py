"""Rejects counted: what a budget allows, and which reasons a sentence names."""

import pytest

from sparkcv.convert import splits
from sparkcv.convert.report import ConvertReport, SplitReport
from sparkcv.errors import BudgetError
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.records.reasons import allowed


@pytest.mark.parametrize("budget", [0.07, 0.29, 0.57, 0.58])  # times 100 each is a float beside the whole number
def test_a_budget_allows_the_share_that_it_says_and_no_record_more_or_less(budget):
    wanted = int(f"{budget:.2f}"[2:])
    assert allowed(budget, 100) == wanted
    assert Quarantine(100, budget).allowed == wanted

    def report(num_rejected):
        return ConvertReport(
            "/d", "n", (), (SplitReport("train", 100 - num_rejected, 1, 1, num_rejected, {"empty": 1}),)
        )

    splits.check_budget(report(wanted), budget)
    with pytest.raises(BudgetError, match=rf"^{wanted + 1} of 100 pictures are unusable"):
        splits.check_budget(report(wanted + 1), budget)
