import pytest

from napari_phenotrans.core.kinds import FILE_WORDS, MADE, REAL, SIGNED, kind_of, sentence_of

HOW = {"source": "untreated", "target": "drug", "checkpoint": "shift"}


@pytest.mark.parametrize("kind", FILE_WORDS)
def test_what_is_stated_comes_back_and_says_that_it_was_not_measured(kind: str) -> None:
    assert kind_of({"kind": kind}) == kind
    sentence = sentence_of({"kind": kind, **HOW})
    assert bool(sentence) == (kind in MADE) == (kind != REAL)
    if sentence:
        assert "made by an engine" in sentence and "drug" in sentence and sentence.endswith("shift.")


def test_files_of_earlier_versions_are_known() -> None:
    assert kind_of({"translated": "true"}) == "translated"
    assert kind_of({"translated": "true", "role": "difference"}) == "difference"
    assert kind_of({"translated": "false", "role": "real"}) == kind_of({}) == kind_of({"kind": "nonsense"}) == REAL


def test_every_kind_has_a_file_of_its_own() -> None:
    assert set(FILE_WORDS) == MADE | {REAL}
    assert len(set(FILE_WORDS.values())) == len(FILE_WORDS)
    assert SIGNED < MADE
