"""The controls' choices and the filters that they mean."""

from __future__ import annotations

import pytest

from nextbest.data.errors import InputError
from nextbest.ui.page.config import PageConfig
from nextbest.ui.page.controls import highest_risks, read_filters
from nextbest.ui.page.version_data import (
    VersionData,
)


def test_appetites_are_shares_of_the_catalogues_risk(data: VersionData) -> None:
    assert data.risks.tolist() == [1.0, 2.0, 3.0, 4.0]  # of the small bank's products
    config = PageConfig(cautious_risk=0.4, balanced_risk=0.7)  # of the way from 1 to 4: 2.2 and 3.1
    assert highest_risks(data, config) == {"Cautious": 2.0, "Balanced": 3.0, "Risk-tolerant": None}
    filters = read_filters(data, config, "Cautious", ["fund"], [])
    assert (filters.max_risk, filters.categories) == (2.0, ("fund",))
    with pytest.raises(InputError, match="there is no category 'yachts'"):
        read_filters(data, PageConfig(), None, ["yachts"], [])
