"""What people met with files of brokers and services, by the thread in which they told it: read right, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pytest

from astrid_ml.datamodules.curves import CurveDataModule
from astrid_ml.errors import UserError
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.commands.convert import ConvertCommand
from astrid_ml.preprocessing.lightcurves.features.table import CurveFeatures

JD = 2459000.5  # MJD 59000


def fluxcal(mag: float) -> float:
    return float(10 ** (-0.4 * (mag - 27.5)))


def convert(folder: Path) -> tuple[Any, dict[str, Any]]:
    """A table of objects by name, and the report."""
    out = folder.parent / f"{folder.name}-out"
    report = ConvertCommand(str(folder), str(out)).run()
    return pd.read_parquet(out / "objects").set_index("object_id"), report


def written(path: Path, content: Any) -> Path:
    """JSON or text in a folder of its own; gives the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path.parent


def alerce(**lists: Any) -> dict[str, Any]:
    return {"oid": "ZTF20a", "detections": [], "non_detections": [], "forced_photometry": [], **lists}


def test_alerces_magnitude_is_magpsf_not_the_limit_beside_it(tmp_path: Path) -> None:
    """TOMToolkit/tom_base 1193."""
    row = {"mjd": 59000.0, "fid": 1, "magpsf": 18.0, "sigmapsf": 0.1, "diffmaglim": 20.5, "isdiffpos": 1}
    down = {**row, "mjd": 59002.0, "isdiffpos": -1}
    limit = {"mjd": 59001.0, "fid": 1, "diffmaglim": 20.5}
    found, _ = convert(written(tmp_path / "raw" / "a.json", alerce(detections=[row, down], non_detections=[limit])))
    expected = [fluxcal(18.0), 0.0, -fluxcal(18.0)]
    np.testing.assert_allclose(found.loc["ZTF20a", "flux"], expected, rtol=1e-5)
    assert found.loc["ZTF20a", "flux_err"][1] == pytest.approx(fluxcal(20.5) / 5, rel=1e-5)


ATLAS = "###MJD          m      dm   uJy   duJy F err chi/N   RA       Dec     x  y maj min phi apfit mag5sig Sky Obs\n"


def atlas(*rows: tuple[float, float, float, float, str, int, float]) -> str:
    return ATLAS + "".join(
        f"{mjd} {m} 0.1 {flux} {error} {band} {err} {chi} 150.0 2.0 1 1 2 2 0 -0.4 19.5 21 01a59000o0001{band}\n"
        for mjd, m, flux, error, band, err, chi in rows
    )


def test_atlas_is_read_by_its_fluxes_and_bad_fits_are_left_out(tmp_path: Path) -> None:
    """TOMToolkit/tom_base 893; lukeshingles/atlasserver 58, 55: `m` of a non-detection is of its absolute flux."""
    rows = [(59000.1, 18.5, 144.5, 9.0, "o", 0, 1.1), (59001.1, -19.6, -52.0, 9.0, "c", 0, 1.3)]
    rows += [(59002.1, 16.0, 1450.0, 9.0, "o", 1, 10.74)]
    found, report = convert(written(tmp_path / "raw" / "job.txt", atlas(*rows)))
    (curve,) = found.to_dict("records")
    np.testing.assert_allclose(curve["flux"], [144.5 * 10**1.44, -52.0 * 10**1.44], rtol=1e-5)
    assert pd.isna(curve["flux_kind"]) and curve["survey"] == "ATLAS"
    assert sum(count for name, count in report["counts"].items() if "err" in name or "bad" in name) == 1


def test_two_exposures_of_one_time_and_camera_both_stay(tmp_path: Path) -> None:
    """lukeshingles/atlasserver 57."""
    rows = [(59000.1, 18.5, 144.5, 9.0, "o", 0, 1.1), (59000.1, 18.4, 150.0, 8.0, "o", 0, 1.0)]
    found, _ = convert(written(tmp_path / "raw" / "job.txt", atlas(*rows)))
    assert found["flux"].iloc[0].round().tolist() == [3980.0, 4131.0]


def test_curves_of_two_surveys_are_told_apart(tmp_path: Path) -> None:
    """lukeshingles/atlasserver 40: ATLAS is some .2 mag off ZTF, which no common offset hides."""
    row = {"mjd": 59000.0, "fid": 1, "magpsf": 18.0, "sigmapsf": 0.1, "isdiffpos": 1}
    written(tmp_path / "raw" / "a.json", alerce(detections=[row]))
    found, _ = convert(written(tmp_path / "raw" / "job.txt", atlas((59000.1, 18.0, 229.0, 9.0, "o", 0, 1.1))))
    assert set(found["survey"]) == {"ZTF", "ATLAS"} and len(found) == 2


def osc(*rows: dict[str, Any]) -> dict[str, Any]:
    about = {"name": "SN2011fe", "redshift": [{"value": "0.0008"}], "claimedtype": [{"value": "Ia"}]}
    return {"SN2011fe": {**about, "photometry": list(rows)}}


def test_a_measurement_that_two_sources_repeat_counts_once_and_that_is_said(tmp_path: Path) -> None:
    """astrocatalogs/supernovae 10, 95."""
    one = {"time": "55800.1", "magnitude": "12.10", "e_magnitude": "0.02", "band": "V", "system": "Vega", "source": "1"}
    rows = [one, {**one, "source": "2"}, {**one, "time": "55801.1"}, {**one, "band": "B"}]
    found, report = convert(written(tmp_path / "raw" / "SN2011fe.json", osc(*rows)))
    assert sorted(zip(found["mjd"].iloc[0], found["band"].iloc[0], strict=True)) == [
        (55800.1, "B"),
        (55800.1, "V"),
        (55801.1, "V"),
    ]
    assert report["counts"]["rows_repeated"] == 1


def test_other_quantities_beside_magnitudes_and_primed_filters(tmp_path: Path) -> None:
    """guillochon/MOSFiT 144."""
    magnitude = {"time": "55800.1", "magnitude": "15.0", "e_magnitude": "0.02", "band": "g'", "system": "AB"}
    flux = {"time": "55800.2", "fluxdensity": "1.2e-3", "u_fluxdensity": "mJy", "frequency": "5", "band": "radio"}
    found, _ = convert(written(tmp_path / "raw" / "a.json", osc(magnitude, flux, {**magnitude, "band": "r'"})))
    np.testing.assert_allclose(found["wavelength"].iloc[0], [0.477, 0.623], atol=0.01)  # those of the Sloan survey
    np.testing.assert_allclose(found["flux"].iloc[0], fluxcal(15.0), rtol=1e-5)


PACKET = [("objectId", "string"), ("candidate", None), ("prv_candidates", None), ("fp_hists", None)]
MEASURED = {"jd": "double", "fid": "int", "diffmaglim": "float", "magpsf": ["null", "float"]}
MEASURED |= {"sigmapsf": ["null", "float"], "isdiffpos": ["null", "string"], "jdstarthist": ["null", "double"]}
FORCED = {"jd": "double", "fid": "int", "forcediffimflux": "float", "forcediffimfluxunc": "float", "magzpsci": "float"}


def packet(path: Path, candidate: dict[str, Any], history: Any = None, forced: Any = None) -> Path:
    """An alert of ZTF's schema 4 in Avro."""

    def record(name: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"type": "record", "name": name, "fields": [{"name": k, "type": v} for k, v in fields.items()]}

    kinds: dict[str, Any] = {"objectId": "string", "candidate": record("c", MEASURED)}
    kinds["prv_candidates"] = ["null", {"type": "array", "items": record("p", MEASURED)}]
    kinds["fp_hists"] = ["null", {"type": "array", "items": record("f", FORCED)}]
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {"objectId": "ZTF18a", "candidate": candidate, "prv_candidates": history, "fp_hists": forced}
    with path.open("wb") as stream:
        fastavro.writer(stream, fastavro.parse_schema(record("alert", kinds)), [body])
    return path.parent


def seen(jd: float, mag: float | None = 18.0, sign: str = "t") -> dict[str, Any]:
    lost = mag is None
    found = {"magpsf": mag, "sigmapsf": None if lost else 0.1, "isdiffpos": None if lost else sign}
    return {"jd": jd, "fid": 1, "diffmaglim": 20.5, **found, "jdstarthist": JD - 1200}


def forced(jd: float, flux: float = 500.0, zero_point: float = 26.0) -> dict[str, Any]:
    return {"jd": jd, "fid": 1, "forcediffimflux": flux, "forcediffimfluxunc": 20.0, "magzpsci": zero_point}


def test_a_forced_flux_is_no_limit_though_one_covers_its_epoch(tmp_path: Path) -> None:
    """skyportal/skyportal 6811."""
    history = [seen(JD - 3, None), seen(JD - 2, None)]
    found, _ = convert(packet(tmp_path / "raw" / "1.avro", seen(JD), history, [forced(JD - 3, 321.0)]))
    times, fluxes = found["mjd"].iloc[0].tolist(), found["flux"].iloc[0].tolist()
    assert times == [58997.0, 58998.0, 59000.0]
    assert fluxes[0] == pytest.approx(321.0 * 10**0.6, rel=1e-5) and fluxes[1] == 0.0


def test_each_forced_flux_has_the_zero_point_of_its_epoch_and_its_sign(tmp_path: Path) -> None:
    """boom-astro/boom 362, 89: a constant star stays constant."""
    points = [(JD - number, 25.8 + 0.1 * number) for number in range(1, 6)]
    rows = [forced(jd, -100.0 * 10 ** (0.4 * (zp - 26.0)), zp) for jd, zp in points]
    found, _ = convert(packet(tmp_path / "raw" / "1.avro", seen(JD), None, rows))
    np.testing.assert_allclose(found["flux"].iloc[0][:5], -100 * 10**0.6, rtol=1e-4)


@pytest.mark.parametrize("names", [("1.avro", "2.avro"), ("2.avro", "1.avro")])
def test_alerts_that_repeat_an_epoch_a_little_otherwise_count_it_once(names: tuple[str, str], tmp_path: Path) -> None:
    """boom-astro/boom 88; astrolabsoftware/fink-broker 1016: the newest alert's value, a union over the history."""
    packet(tmp_path / "raw" / names[0], seen(JD - 2), None, [forced(JD - 5, 400.0)])
    packet(tmp_path / "raw" / names[1], seen(JD), [seen(JD - 2)], [forced(JD - 5, 410.0), forced(JD - 4, 90.0)])
    found, _ = convert(tmp_path / "raw")
    assert found["mjd"].iloc[0].tolist() == [58995.0, 58996.0, 58998.0, 59000.0]
    assert found["flux"].iloc[0][0] == pytest.approx(410.0 * 10**0.6, rel=1e-5)


def test_an_old_start_of_the_history_is_no_epoch(tmp_path: Path) -> None:
    """astrolabsoftware/ztf.fink-portal.org 163."""
    found, _ = convert(packet(tmp_path / "raw" / "1.avro", seen(JD), [seen(JD - 2)]))
    assert found["mjd"].iloc[0].tolist() == [58998.0, 59000.0]


def test_the_kind_of_flux_is_carried(tmp_path: Path) -> None:
    """astrolabsoftware/fink-science 18; lukeshingles/atlasserver 55."""
    packet(tmp_path / "raw" / "1.avro", seen(JD))
    table = pd.DataFrame(
        {"mjd": [1.0 + 59000], "mag": 18.0, "magerr": 0.1, "catflags": 0, "filtercode": "zg", "oid": 5}
    )
    table.to_csv(tmp_path / "raw" / "dr.csv", index=False)
    found, _ = convert(tmp_path / "raw")
    assert sorted(found["flux_kind"]) == ["difference", "total"]


def test_99_point_9_is_a_limit_and_negative_fluxes_are_fluxes(tmp_path: Path) -> None:
    """nasa-fornax/fornax-demo-notebooks 202."""
    rows = pd.DataFrame(
        {"name": "x", "mjd": [59000.0, 59001.0], "filter": "g", "mag": [18.0, 19.5], "mag_err": [0.1, 99.9]}
    )
    rows.assign(system="AB").to_csv(written(tmp_path / "mags" / "note.txt", "") / "a.csv", index=False)
    found, report = convert(tmp_path / "mags")
    assert found["flux"].iloc[0].tolist()[1:] in ([0.0], []) and found["flux"].iloc[0][0] == pytest.approx(
        fluxcal(18.0)
    )
    assert len(found["flux"].iloc[0]) == 2 or sum(report["counts"].values()) >= 1
    tess = pd.DataFrame({"name": "x", "mjd": [59000.0, 59001.0], "filter": "g", "flux (uJy)": [-5.0, 3.0]})
    tess.assign(**{"flux_err (uJy)": 1.0}).to_csv(written(tmp_path / "neg" / "note.txt", "") / "a.csv", index=False)
    found, _ = convert(tmp_path / "neg")
    assert found["flux"].iloc[0].tolist() == pytest.approx([-5.0 * 10**1.44, 3.0 * 10**1.44])


def curves(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A long table with equal times in several bands, and the same rows in another order."""
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({"object": np.repeat(["a", "b"], 30), "mjd": np.tile(np.repeat(59000.0 + np.arange(10), 3), 2)})
    rows["filter"] = np.tile(["g", "r", "i"], 20)
    rows["flux (uJy)"], rows["flux_err (uJy)"] = random.normal(30, 20, 60).round(4), 5.0
    return rows, rows.sample(frac=1, random_state=seed)


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_rows_changes_no_curve_and_no_feature(seed: int, tmp_path: Path) -> None:
    """scope-ml/scope-ml 315; lincc-frameworks/lightcurvelynx 852: unsorted rows, and ties in time."""
    made = []
    for name, rows in zip(("one", "two"), curves(seed), strict=True):
        (tmp_path / name).mkdir()
        rows.to_csv(tmp_path / name / "a.csv", index=False)
        found, _ = convert(tmp_path / name)
        made.append(found.sort_index())
    for column in ("mjd", "flux", "band"):
        for one, two in zip(made[0][column], made[1][column], strict=True):
            assert one.tolist() == two.tolist(), column
    features = []
    for found in made:
        writer = MemoryUnitWriter()
        epochs = [
            np.stack([m - 59000, f, e, np.ones(30), w], axis=1).astype(np.float32)
            for m, f, e, w in zip(*(found[name] for name in ("mjd", "flux", "flux_err", "wavelength")), strict=True)
        ]
        index = pd.DataFrame({"id": found.index, "group_id": found.index, "label": None})
        writer.add_ragged(index, {"epochs": epochs})
        source: MemorySource = writer.source()
        data = CurveDataModule(windows=[4, 64], curve_features=CurveFeatures())
        features.append(data.features_at(source, np.array([0, 1])))
    assert np.array_equal(features[0], features[1], equal_nan=True)


def test_plasticcs_passbands_and_its_band_y(tmp_path: Path) -> None:
    """MultimodalUniverse 22."""
    by_number = pd.DataFrame({"object_id": 1, "mjd": 59000.0 + np.arange(6), "passband": range(6), "flux": 10.0})
    written(tmp_path / "a" / "note.md", "")
    by_number.assign(flux_err=1.0, detected=1).to_csv(tmp_path / "a" / "x_lc.csv", index=False)
    found, _ = convert(tmp_path / "a")
    assert "".join(found["band"].iloc[0]).lower() == "ugrizy"
    assert found["wavelength"].iloc[0][5] == pytest.approx(0.97, abs=0.02)  # Rubin's y, not a Y of the infrared


def test_a_schema_that_lacks_fields_is_read_by_what_is_there(tmp_path: Path) -> None:
    """lsst/alert_packet 48."""
    fields = {"diaSourceId": "long", "diaObjectId": "long", "midpointMjdTai": "double", "band": "string"}
    fields |= {"psfFlux": "float", "psfFluxErr": "float"}
    source = {"type": "record", "name": "s", "fields": [{"name": k, "type": v} for k, v in fields.items()]}
    forced_ones: Any = ["null", {"type": "array", "items": "s"}]
    parts = [{"name": "diaSource", "type": source}, {"name": "prvDiaForcedSources", "type": forced_ones}]
    schema: Any = {"type": "record", "name": "alert", "fields": parts}
    row = dict(zip(fields, (1, 7, 60000.5, "g", 363.08, 36.308), strict=True))
    (tmp_path / "raw").mkdir()
    with (tmp_path / "raw" / "1.avro").open("wb") as stream:
        fastavro.writer(stream, fastavro.parse_schema(schema), [{"diaSource": row, "prvDiaForcedSources": None}])
    found, _ = convert(tmp_path / "raw")
    assert found.loc["7", "flux"].tolist() == pytest.approx([10.0], rel=1e-3)


def test_a_file_without_any_measurement_is_refused(tmp_path: Path) -> None:
    """TOMToolkit/tom_base 893."""
    with pytest.raises(UserError) as told:
        convert(written(tmp_path / "raw" / "job.txt", ATLAS))
    assert told.value.got and told.value.fix
