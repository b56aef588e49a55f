"""What a laboratory report holds results of goes into the index beside the chapters of its header."""

from __future__ import annotations

from passerelle.dossier.formats.cda import read_cda
from passerelle_ops.demo.corpus.examinations import laboratory_report
from tests.formats.samples import SHARED, needs_shared, sound


def codes(data: bytes) -> list[str]:
    return [each.code for each in read_cda(data).metadata.event_codes]


def test_each_result_once_but_those_that_were_given_up() -> None:
    paper = sound("bilan", "11502-2")
    assert codes(laboratory_report(paper, ["3016-3", "1988-5", "3016-3"], cancelled=["2345-7"])) == ["3016-3", "1988-5"]
    assert len(codes(laboratory_report(paper, [f"{each}-0" for each in range(300)]))) == 200


@needs_shared
def test_the_published_reports_name_their_examinations() -> None:
    folder = SHARED / "cda" / "ci-sis-2022-2025"
    found = {
        name: codes((folder / f"BIO-CR-BIO_{name}.xml").read_bytes())
        for name in ("2024.01_TSH_1", "2024.01_TSH_2", "2021.01_CDA-R2-Niveau-1", "2024.01_Electrophorese")
    }
    chapters = ["18719-5", "18727-8", "18718-7"]
    assert found["2024.01_TSH_1"] == [*chapters, "3016-3", "3024-7"]
    assert found["2024.01_TSH_2"] == ["18719-5", "29575-8", "3024-7"]
    assert found["2021.01_CDA-R2-Niveau-1"] == ["18723-7"]
    assert len(found["2024.01_Electrophorese"]) > 40
