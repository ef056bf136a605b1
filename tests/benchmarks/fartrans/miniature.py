"""A small folder in the format of FAR-Trans, and its command line."""

import gzip
import sys
from pathlib import Path

import pytest

from benchmarks.fartrans.__main__ import main

# ann: three rows, the last after the time point. bob: bought before his first row. cid: bought, has no row at all.
# dan: never bought. eve: her only row lies after the time point, and she bought nothing before.
CUSTOMERS = """\
customerID,customerType,riskLevel,investmentCapacity,lastQuestionnaireDate,timestamp
ann,Mass,Predicted_Income,Not_Available,2000-01-01,2019-01-02
ann,Premium,Balanced,CAP_LT30K,2022-02-02,2020-06-01
ann,Premium,Aggressive,CAP_LT30K,2022-02-02,2020-07-01
bob,Professional,Not_Available,Predicted_CAP_GT300K,2000-01-01,2020-03-01
dan,Mass,Conservative,CAP_LT30K,2019-01-01,2020-06-30
eve,Mass,Income,CAP_LT30K,2020-01-01,2020-08-01
"""
# FUND: two rows of one day, of which the second counts. GONE: bought before its first row, and no longer eligible.
# NEW: first described after the time point, but eligible. TAKEN: likewise, not eligible, yet someone bought it.
ASSETS = """\
ISIN,assetName,assetShortName,assetCategory,assetSubCategory,marketID,sector,industry,timestamp
STOCK,"A, B & C",ABC,Stock,,M1,Energy,Oil,2018-01-02
STOCK,ABC,ABC,Stock,,M1,Energy,Oil,2020-12-24
FUND,Fund,F,MTF,Bond,M1,,,2018-01-02
FUND,Fund,F,MTF,Balanced,M2,,,2018-01-02
GONE,Gone,G,Bond,Corporate,M9,Corporate,,2020-02-01
NEW,New,N,Bond,Corporate,M1,Corporate,,2020-07-01
TAKEN,Taken,T,Bond,Corporate,M1,Corporate,,2020-07-01
"""
MARKETS = """\
exchangeID,marketID,name,description,country,tradingDays,tradingHours,marketClass
X1,M1,Athens,"One, two",Greece,"Mon,Tue",10:00-17:00,Public Securities
X2,M2,Over the counter,,-,Mon,10:00-17:00,Private Securities
"""
# The time point is 2020-06-30: ann's GONE of that very day is tested and her NEW of (06-20, 06-30] is known; what bob
# and ann bought later is tested or ignored.
BUYS = """\
customerID,ISIN,after,on_or_before
ann,STOCK,,2019-04-01
bob,GONE,,2019-04-01
bob,STOCK,2019-04-01,2019-08-01
cid,FUND,2019-11-10,2019-11-15
cid,STOCK,2020-02-01,2020-02-14
ann,NEW,2020-06-20,2020-06-30
ann,GONE,2020-06-30,2020-06-30
bob,FUND,2020-07-10,2020-07-20
bob,TAKEN,2020-12-20,2021-01-10
ann,FUND,2021-01-20,2021-02-01
"""
SPLITS = "split,time_point,test_end\n6,2019-05-01,2019-10-31\n7,2020-06-30,2020-12-31\n"
ELIGIBLE = "split,ISIN\n6,STOCK\n7,STOCK\n7,FUND\n7,NEW\n"
TESTS = "split,customerID,ISIN\n6,bob,STOCK\n7,ann,GONE\n7,bob,FUND\n7,bob,TAKEN\n"
FILES = {
    "customer_information.csv": CUSTOMERS,
    "asset_information.csv": ASSETS,
    "markets.csv": MARKETS,
    "first_buys.csv.gz": BUYS,
    "splits.csv": SPLITS,
    "eligible_assets.csv.gz": ELIGIBLE,
    "tests.csv.gz": TESTS,
}


def write(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | None:
    """Run the command line and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["fartrans", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code  # type: ignore[return-value]
