"""Segments: any range of what was sealed reads back; nothing that was touched reads at all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.kernel import segments
from passerelle.kernel.errors import BrokenIntegrity, LimitExceeded
from passerelle.kernel.keys import KEY_BYTES, DossierKey
from passerelle.kernel.segments import HEADER_BYTES, SEALED_BYTES, SEGMENT_BYTES, TAG_BYTES

KEY = DossierKey(bytes(range(KEY_BYTES)))
BINDING = b"oncomip/00000000-0000-4000-8000-000000000001"
NOISE = random.Random(2).randbytes(4 * SEGMENT_BYTES + 3)
CONTENT = NOISE[: 3 * SEGMENT_BYTES + 1000]
SEALED = segments.encrypt(CONTENT, KEY, BINDING)
COUNT = 4

edges = st.sampled_from([0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES])
lengths = st.one_of(edges, st.integers(0, len(NOISE)))


def _segment(index: int) -> slice:
    start = HEADER_BYTES + index * SEALED_BYTES
    return slice(start, start + SEALED_BYTES)


def _refused(sealed: bytes, start: int = 0, stop: int | None = None) -> str:
    with pytest.raises(BrokenIntegrity) as refused:
        segments.decrypt(sealed, KEY, BINDING, start, stop)
    return refused.value.code


@settings(max_examples=60)
@given(length=lengths, start=lengths, stop=st.none() | lengths)
def test_any_range_equals_the_slice(length: int, start: int, stop: int | None) -> None:
    data = NOISE[:length]
    sealed = segments.encrypt(data, KEY, BINDING)
    assert segments.decrypt(sealed, KEY, BINDING, start, stop) == data[start:stop]
    assert len(sealed) == segments.object_length(length)
    assert segments.clear_length(sealed[:HEADER_BYTES], len(sealed)) == length


@given(start=lengths, stop=lengths)
def test_a_range_touches_only_the_segments_that_hold_it(start: int, stop: int) -> None:
    opened = segments.Opened(SEALED[:HEADER_BYTES], len(SEALED), KEY, BINDING)
    span = opened.span(start, stop)
    wanted = CONTENT[start:stop]
    if not wanted:
        assert span.first == span.end
        assert span.start == span.stop
    else:
        assert span.first == start // SEGMENT_BYTES
        assert span.end == (start + len(wanted) - 1) // SEGMENT_BYTES + 1
        assert span.stop - span.start <= (span.end - span.first) * SEALED_BYTES


@settings(max_examples=200)
@given(at=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
def test_any_flip_is_refused(at: int, bit: int) -> None:
    altered = bytearray(SEALED)
    altered[at] ^= 1 << bit
    assert _refused(bytes(altered)) == "CONTENT_ALTERED"


@settings(max_examples=50)
@given(at=st.integers(0, HEADER_BYTES - 1), bit=st.integers(0, 7), start=st.integers(0, len(CONTENT) - 1))
def test_a_flip_in_the_header_is_refused_for_every_range(at: int, bit: int, start: int) -> None:
    altered = bytearray(SEALED)
    altered[at] ^= 1 << bit
    assert _refused(bytes(altered), start, start + 1) == "CONTENT_ALTERED"


@given(length=st.integers(0, len(SEALED) - 1), start=st.integers(0, len(CONTENT) - 1))
def test_any_truncation_is_refused_even_for_a_range_before_the_cut(length: int, start: int) -> None:
    assert _refused(SEALED[:length], start, start + 1) == "CONTENT_ALTERED"


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_truncation_with_its_header_adjusted_is_refused(count: int) -> None:
    """An attacker who drops whole segments may write the shorter length, but not seal it."""
    shorter = count * SEGMENT_BYTES
    header = SEALED[: HEADER_BYTES - 8] + shorter.to_bytes(8, "big")
    sealed = (header + SEALED[HEADER_BYTES:])[: segments.object_length(shorter)]
    assert len(sealed) == segments.object_length(shorter)
    assert _refused(sealed) == "CONTENT_ALTERED"


@given(extra=st.binary(min_size=1, max_size=100))
def test_anything_appended_is_refused(extra: bytes) -> None:
    assert _refused(SEALED + extra) == "CONTENT_ALTERED"


@given(st.permutations(range(COUNT - 1)).filter(lambda each: each != list(range(COUNT - 1))))
def test_any_reordering_is_refused(order: list[int]) -> None:
    body = b"".join(SEALED[_segment(index)] for index in [*order, COUNT - 1])
    assert _refused(SEALED[:HEADER_BYTES] + body) == "CONTENT_ALTERED"


@pytest.mark.parametrize("index", range(COUNT))
def test_a_segment_of_another_object_of_the_same_dossier_is_refused(index: int) -> None:
    other = segments.encrypt(CONTENT, KEY, BINDING)
    altered = SEALED[: _segment(index).start] + other[_segment(index)] + SEALED[_segment(index).stop :]
    assert len(altered) == len(SEALED)
    assert _refused(altered) == "CONTENT_ALTERED"
    assert segments.decrypt(other, KEY, BINDING) == CONTENT


def test_another_binding_and_another_key_are_refused() -> None:
    for key, binding in ((KEY, BINDING + b"x"), (KEY, b""), (DossierKey(bytes(KEY_BYTES)), BINDING)):
        with pytest.raises(BrokenIntegrity):
            segments.decrypt(SEALED, key, binding)


def test_emptiness_is_authenticated() -> None:
    sealed = segments.encrypt(b"", KEY, BINDING)
    assert len(sealed) == HEADER_BYTES + TAG_BYTES
    assert segments.decrypt(sealed, KEY, BINDING) == b""
    assert _refused(sealed[:-1] + bytes([sealed[-1] ^ 1])) == "CONTENT_ALTERED"
    assert _refused(b"") == "CONTENT_ALTERED"


def test_the_same_content_twice_has_nothing_in_common() -> None:
    other = segments.encrypt(CONTENT, KEY, BINDING)
    assert other[HEADER_BYTES:] != SEALED[HEADER_BYTES:]
    assert CONTENT[:16] not in SEALED


def test_a_range_counts_from_the_beginning() -> None:
    for start, stop in ((-1, None), (0, -1)):
        with pytest.raises(ValueError, match="from the beginning"):
            segments.decrypt(SEALED, KEY, BINDING, start, stop)


def test_what_the_counter_cannot_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_CLEAR_BYTES", 10)
    with pytest.raises(LimitExceeded) as refused:
        segments.encrypt(bytes(11), KEY, BINDING)
    assert refused.value.code == "CONTENT_TOO_LARGE"
