"""The selection of batches: no image starves, and no batch is too large."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from engine.contract import Backend
from engine.core.batching import BatchKey, Deficit, DrrState, select_batch

SMALL, LARGE = BatchKey("tiny", 64, 64, 8), BatchKey("tiny", 256, 256, 8)


@dataclass
class Image:
    """An image between two evaluations."""

    batch_key: BatchKey
    rows: int
    sequence: int
    last_tick: int = 0
    owner: str = ""


KEYS = st.builds(
    BatchKey,
    st.sampled_from(["tiny", "other"]),
    st.sampled_from([64, 128]),
    st.sampled_from([64, 96]),
    st.sampled_from([2, 8]),
    st.sampled_from([0, 0, 0, 5]),
    st.sampled_from(Backend),
)
KINDS = st.lists(st.tuples(KEYS, st.sampled_from([1, 2])), min_size=1, max_size=20)


def images_of(kinds: Sequence[tuple[BatchKey, int]]) -> list[Image]:
    """Images of these batch keys and rows, in this order of arrival."""
    return [Image(key, rows, sequence) for sequence, (key, rows) in enumerate(kinds)]


def cost(key: BatchKey) -> float:
    """Seconds of one batch, proportional to its pixels."""
    return key.width * key.height * key.rows * 1e-7


def run(images: list[Image], ticks: int, state: DrrState = ()) -> list[BatchKey]:
    """Run this number of batches; returns their keys."""
    keys = []
    for tick in range(1, ticks + 1):
        selection = select_batch(images, state, cost)
        state = selection.state
        for index in selection.indices:
            images[index] = replace(images[index], last_tick=tick)
        keys.append(selection.key)
    return keys


@given(KINDS, st.integers(0, 30))
def test_a_batch_has_one_key_and_no_more_rows_than_that_allows(
    kinds: Sequence[tuple[BatchKey, int]], ticks: int
) -> None:
    """A batch contains no image twice, and all its images have the batch's key."""
    images = images_of(kinds)
    state: DrrState = ()
    for tick in range(1, ticks + 2):
        selection = select_batch(images, state, cost)
        state = selection.state
        assert selection.indices
        assert len(set(selection.indices)) == len(selection.indices)
        assert {images[index].batch_key for index in selection.indices} == {selection.key}
        assert sum(images[index].rows for index in selection.indices) <= selection.key.rows
        for index in selection.indices:
            images[index] = replace(images[index], last_tick=tick)


@given(KINDS)
def test_no_image_starves(kinds: Sequence[tuple[BatchKey, int]]) -> None:
    """The time to the next evaluation is bounded by the number of images and their costs."""
    images = images_of(kinds)
    keys = {image.batch_key for image in images}
    max_cost = max(map(cost, keys))
    bound = sum(len(images) * (max_cost / cost(key) + 2) for key in keys)
    run(images, int(2 * bound) + 1)
    assert all(image.last_tick for image in images)


@given(KINDS)
def test_the_longest_waiting_image_of_a_key_goes_first(
    kinds: Sequence[tuple[BatchKey, int]],
) -> None:
    """The batch contains the longest-waiting image of the selected key."""
    images = images_of(kinds)
    selection = select_batch(images, (), cost)
    oldest = min(image.sequence for image in images if image.batch_key == selection.key)
    assert oldest in [images[index].sequence for index in selection.indices]


def test_time_is_shared_between_sizes() -> None:
    """A job of large images and one of small images get equal seconds, not equal tick counts."""
    kinds = [(SMALL, 2)] * 4 + [(LARGE, 2)] * 4
    counts = Counter(run(images_of(kinds), 17 * 20))
    assert counts[SMALL] == 16 * counts[LARGE]


def test_time_is_shared_between_images() -> None:
    """Three jobs of one size get three times the seconds of one job of another size."""
    twin = BatchKey("tiny", 64, 72, 8)
    counts = Counter(run(images_of([(SMALL, 2)] * 12 + [(twin, 2)] * 4), 400))
    seconds = {key: count * cost(key) for key, count in counts.items()}
    assert 2.7 < seconds[SMALL] / seconds[twin] < 3.3


def test_a_late_job_is_in_the_next_batch() -> None:
    """A new job does not wait for the end of earlier jobs."""
    images = images_of([(SMALL, 2)] * 8)
    run(images, 50)
    late = Image(SMALL, 2, sequence=99)
    images.append(late)
    assert images.index(late) in select_batch(images, (), cost).indices


def test_guided_and_unguided_images_share_a_batch() -> None:
    """Images of two rows and of one row fill the same batch."""
    images = images_of([(SMALL, 2), (SMALL, 1), (SMALL, 2), (SMALL, 1)])
    assert len(select_batch(images, (), cost).indices) == 4


def test_an_exclusive_image_shares_no_batch() -> None:
    """An exclusive id separates images whose keys are otherwise equal."""
    images = images_of([(SMALL, 2), (SMALL._replace(exclusive_id=3), 2)])
    assert len(select_batch(images, (), cost).indices) == 1


def test_a_key_that_is_in_flight_keeps_its_turn() -> None:
    """A key keeps its deficit while all its images are in flight in concurrent batches, so one
    small image among many large ones gets its share of the seconds."""
    large_key = LARGE._replace(rows=2)
    images = images_of([(SMALL, 2)] + [(large_key, 2)] * 8)
    seconds, state, now = dict[BatchKey, float](), tuple[Deficit, ...](), 0.0
    in_flight: list[tuple[float, BatchKey, tuple[int, ...]]] = []
    for _ in range(4000):
        busy = {index for _, _, batch in in_flight for index in batch}
        waiting = [index for index in range(len(images)) if index not in busy]
        if waiting and len(in_flight) < 3:
            selection = select_batch(
                [images[index] for index in waiting],
                state,
                cost,
                in_flight={("", key) for _, key, _ in in_flight},
            )
            state, key = selection.state, selection.key
            batch = tuple(waiting[index] for index in selection.indices)
            in_flight.append((now + cost(key), key, batch))
            seconds[key] = seconds.get(key, 0.0) + cost(key)
        else:
            in_flight.sort()
            now, *_ = in_flight.pop(0)
    assert seconds[SMALL] > 0.8 * (seconds[SMALL] + seconds[large_key]) / 9


def images_of_owners(*owners: str) -> list[Image]:
    """An image for each of these owners, all of one batch key."""
    return [Image(SMALL, 2, sequence, owner=owner) for sequence, owner in enumerate(owners)]


def test_the_owner_with_the_least_engine_time_goes_first() -> None:
    """A newcomer's four images fill the batch although another owner's twelve images arrived
    earlier."""
    images = images_of_owners(*["heavy"] * 12, *["new"] * 4)
    seconds = {"heavy": 60.0, "new": 0.0}
    assert select_batch(images, (), cost, seconds).indices == (12, 13, 14, 15)
    assert select_batch(images, (), cost).indices == (0, 1, 2, 3)


def test_free_rows_of_a_batch_go_to_other_owners() -> None:
    """Beside a newcomer's only image, the rows go to the owners with the next least engine time."""
    images = images_of_owners("heavy", "heavy", "light", "new", "heavy")
    seconds = {"heavy": 60.0, "light": 3.0, "new": 0.0}
    assert select_batch(images, (), cost, seconds).indices == (3, 2, 0, 1)


def test_the_sizes_of_one_owner_share_time_while_others_have_turns() -> None:
    """Batches of other owners do not change an owner's deficits."""
    images = [
        Image(SMALL, 2, 0, owner="a"),
        Image(LARGE, 2, 1, owner="a"),
        Image(BatchKey("tiny", 64, 96, 8), 2, 2, owner="b"),
    ]
    state: DrrState = ()
    counts: Counter[BatchKey] = Counter()
    for tick in range(2 * 17 * 10):
        seconds = {"a": float(tick % 2), "b": float(1 - tick % 2)}
        selection = select_batch(images, state, cost, seconds)
        state = selection.state
        counts[selection.key] += 1
    assert counts[SMALL] == 16 * counts[LARGE]


def test_owners_without_images_are_forgotten() -> None:
    """An engine that is never idle remembers the owners of the present, not of all its time."""
    state: DrrState = ()
    for number in range(50):
        images = [
            Image(key, 2, sequence, owner=f"{number + sequence // 2}")
            for sequence, key in enumerate([SMALL, LARGE, SMALL, LARGE])
        ]
        other = f"{number + 2}", SMALL
        state = select_batch(images, state, cost, in_flight={other}).state
        assert {deficit.owner for deficit in state} <= {f"{number}", f"{number + 1}", other[0]}


@given(KINDS, st.lists(st.sampled_from("abc"), min_size=20, max_size=20))
def test_no_owner_starves_with_aging(
    kinds: Sequence[tuple[BatchKey, int]], owners: list[str]
) -> None:
    """If every fourth batch ignores the owners' seconds, all images are evaluated, even beside an
    owner who always has the least."""
    images = [
        replace(image, owner=owner) for image, owner in zip(images_of(kinds), owners, strict=False)
    ]
    max_cost = max(cost(image.batch_key) for image in images)
    min_cost = min(cost(image.batch_key) for image in images)
    state: DrrState = ()
    for tick in range(1, 4 * int(len(images) ** 2 * (max_cost / min_cost + 2)) + 1):
        selection = select_batch(images, state, cost, {"b": 1.0, "c": 1.0} if tick % 4 else {})
        state = selection.state
        for index in selection.indices:
            images[index] = replace(images[index], last_tick=tick)
    assert all(image.last_tick for image in images)
