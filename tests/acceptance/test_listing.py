"""Lists that are too long to be read at once, and lists that change while somebody turns the pages.

Source: http.md 4, data.md 3.4; issue "the whole HTTP contract" 4.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from crossbar_conferences.api.conferences import FILTER_BATCH
from crossbar_conferences.conference.start_keys import encoded as next_start_key
from tests.support.house import House, embedded_house

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 10_000
PAGE = 250


async def store(house: House, *doc_ids: str, **fields: Any) -> None:
    """Conferences that other nodes stored, a few at a time; nobody told of them, so nothing may be kept."""
    waiting = [
        {
            "_id": doc_id,
            "name": f"Room {doc_id}",
            "pvt_type": "conference",
            "pvt_account_id": house.account,
            "pvt_created": 63_900_000_000,
            "pvt_modified": 63_900_000_000,
            **fields,
        }
        for doc_id in doc_ids
    ]
    for at in range(0, len(waiting), 20):
        batch = waiting[at : at + 20]
        await asyncio.gather(*(house.store.inner.put(house.database, document) for document in batch))
    house.service.pages.flush(house.database)


async def remove(house: House, *doc_ids: str) -> None:
    """What other nodes removed."""
    for doc_id in doc_ids:
        rev = (await house.stored(doc_id))["_rev"]
        await house.store.inner.delete(house.database, doc_id, rev)
    house.service.pages.flush(house.database)


async def page(
    house: House, query: str = "", key: str | None = None, path: str | None = None
) -> tuple[list[str], str | None]:
    """The ids of a page of the account's list, or of another one, and the key of the next."""
    cursor = "" if key is None else f"&start_key={key}"
    answer = await house.get((path or house.path()) + f"?{query}{cursor}")
    assert answer.status == 200, answer.text
    return [item["id"] for item in answer.data], answer.body.get("next_start_key")


async def all_pages(house: House, query: str = "", path: str | None = None) -> list[list[str]]:
    """Every page, turned to its end."""
    ids, key = await page(house, query, path=path)
    pages = [ids]
    while key is not None:
        ids, key = await page(house, query, key, path)
        pages.append(ids)
    return pages


def numbered(count: int) -> list[str]:
    """Ids in order."""
    return [f"{number:032d}" for number in range(count)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_large() -> AsyncIterator[House]:
    """A house in memory with ten thousand conferences, each tenth of them joe's."""
    async with embedded_house() as house:
        ids = numbered(MANY)
        await store(house, *ids[1::10], owner_id=house.data.users["joe"].id, colour="red")
        await store(house, *(each for number, each in enumerate(ids) if number % 10 != 1))
        # Tokens and accounts are known from here on.
        await page(house, "page_size=1")
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def large(running_large: House) -> House:
    """The large house with nothing in memory."""
    running_large.service.pages.flush(running_large.database)
    running_large.forget()
    return running_large


async def test_ten_thousand_are_paged_by_the_view(large: House) -> None:
    """Each page is one request for one row more than it has; nothing is read twice, or all at once."""
    pages = await all_pages(large, f"page_size={PAGE}")
    assert [len(ids) for ids in pages] == [PAGE] * (MANY // PAGE)
    assert [each for ids in pages for each in ids] == numbered(MANY)[::-1]
    assert large.store.operations == ["by_id"] * len(pages)
    assert max(request.rows for request in large.store.requests) == PAGE + 1
    assert large.store.rows == MANY + len(pages) - 1
    assert len(large.service.pages) <= large.service.settings.document_cache_size


async def test_ascending_pages_are_the_same_the_other_way_round(large: House) -> None:
    """The order is turned, the pages are as complete."""
    pages = await all_pages(large, "ascending=true&page_size=1000")
    assert [each for ids in pages for each in ids] == numbered(MANY)


async def test_a_page_costs_the_same_wherever_it_is(large: House) -> None:
    """The last page of ten thousand is no dearer than the first: it is found by its key."""
    _, key = await page(large, "page_size=10")
    far = next_start_key(numbered(MANY)[5])
    for start in (key, far):
        large.forget()
        ids, _ = await page(large, "page_size=10", start)
        assert len(ids) in (6, 10)
        assert large.store.operations == ["by_id"] and large.store.rows <= 11


async def test_without_paging_batches_are_read(large: House) -> None:
    """paginate=false answers everything, and reads it in bounded batches."""
    ids, key = await page(large, "paginate=false")
    assert (len(ids), key) == (MANY, None)
    assert max(request.rows for request in large.store.requests) <= FILTER_BATCH + 1
    assert len(large.store.requests) == MANY // FILTER_BATCH


@pytest.mark.parametrize(
    "query", ["filter_colour=red", "has_key=colour", "filter_not_colour=blue&has_value=colour"]
)
async def test_filters_read_documents_in_batches(large: House, query: str) -> None:
    """A filter that needs documents reads so many of them at a time, until the page is full."""
    meant = numbered(MANY)[1::10][::-1]
    ids, key = await page(large, f"{query}&page_size=30")
    assert ids == meant[:30] and key is not None
    assert max(request.rows for request in large.store.requests) <= FILTER_BATCH + 1
    # Three hundred documents hold thirty that are meant; the next batch tells whether there are more.
    assert large.store.rows <= 3 * (FILTER_BATCH + 1)
    ids, _ = await page(large, f"{query}&page_size=30", key)
    assert ids == meant[30:60]


async def test_a_filter_that_nothing_passes_ends(large: House) -> None:
    """A filter that means nothing reads everything once, in batches, and answers an empty page."""
    ids, key = await page(large, "filter_colour=green")
    assert (ids, key) == ([], None)
    assert max(request.rows for request in large.store.requests) <= FILTER_BATCH + 1
    assert len(large.store.requests) == MANY // FILTER_BATCH


async def test_filtered_pages_join_up(large: House) -> None:
    """The pages of a filtered list hold each meant conference once."""
    pages = await all_pages(large, "filter_colour=red&page_size=70")
    assert [each for ids in pages for each in ids] == numbered(MANY)[1::10][::-1]
    assert all(len(ids) == 70 for ids in pages[:-1])


async def test_a_users_list_reads_the_users_conferences_only(large: House) -> None:
    """…/users/{U}/conferences costs one request, for a row more than the page has."""
    path = _of_joe(large)
    await large.get(f"{path}?page_size=1")
    large.forget()
    answer = await large.get(f"{path}?page_size=50")
    assert [item["id"] for item in answer.data] == numbered(MANY)[1::10][::-1][:50]
    assert large.store.operations == ["by_owner"] and large.store.rows == 51
    large.forget()
    answer = await large.get(f"{path}?paginate=false&filter_colour=red")
    assert len(answer.data) == MANY // 10
    assert max(request.rows for request in large.store.requests) <= FILTER_BATCH + 1
    # The first row of each batch that follows another has been read with that one.
    assert large.store.rows == MANY // 10 + len(large.store.requests) - 1


@pytest.mark.parametrize("order", ["descending=true", "ascending=true"])
@pytest.mark.parametrize(
    "query",
    [
        "page_size=300",
        "page_size=500&fields=%5B%22name%22%5D",
        "page_size=400&filter_not_name=Room%20" + numbered(MANY)[11],
        "page_size=200&filter_colour=red",
        "page_size=250&filter_colour=blue",
        "page_size=250&full_docs=true",
        "paginate=false",
    ],
)
async def test_a_users_list_is_the_list_of_what_the_user_owns(large: House, query: str, order: str) -> None:
    """Items, order, pages and keys are those of the account's list with a filter for the owner."""
    everybodys = f"{large.path()}?filter_owner_id={large.data.users['joe'].id}&{query}&{order}"
    users = f"{_of_joe(large)}?{query}&{order}"
    cursor = ""
    while True:
        theirs, ours = await large.get(everybodys + cursor), await large.get(users + cursor)
        assert ours.status == 200 and ours.data == theirs.data
        keys = ("page_size", "start_key", "next_start_key")
        assert [ours.body.get(key) for key in keys] == [theirs.body.get(key) for key in keys]
        if "next_start_key" not in ours.body:
            break
        cursor = f"&start_key={ours.body['next_start_key']}"


def _of_joe(house: House) -> str:
    return f"/v2/accounts/{house.account}/users/{house.data.users['joe'].id}/conferences"


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("descending", [True, False])
async def test_pages_stay_right_while_the_list_changes(
    house: House, filtered: bool, descending: bool
) -> None:
    """Whatever comes and goes between two pages: what was there all the time is shown exactly once."""
    await house.empty()
    ids = numbered(60)[::2]
    await store(house, *ids, colour="red")
    order = "descending=true" if descending else "ascending=true"
    query = f"page_size=7&{order}" + ("&filter_colour=red" if filtered else "")
    chance = random.Random(f"{filtered} {descending}")
    there_always, shown = set(ids), []
    spare = [each for each in numbered(60) if each not in ids]
    key: str | None = None
    while True:
        found, key = await page(house, query, key)
        shown += found
        if key is None:
            break
        position = ids.index(found[-1]) if found[-1] in ids else 0
        # The one that the key names goes too: a key is a place, not a document.
        following = ids[position + (-1 if descending else 1)]
        gone = {following, chance.choice(ids), found[0]} & set(await _there(house))
        await remove(house, *gone)
        there_always -= gone
        await store(house, spare.pop(chance.randrange(len(spare))), colour="red")
    assert len(shown) == len(set(shown))
    assert there_always <= set(shown)
    assert shown == sorted(shown, reverse=descending)
    await remove(house, *await _there(house))


async def test_any_id_may_begin_a_page(house: House) -> None:
    """Keys are opaque, safe in a query as they stand, and lead to their place whatever the id is made of."""
    await house.empty()
    odd = ["räum 1", "a b", 'with "quotes"', "50%", "a+b&c=d", "#1", "ключ", "x" * 200]
    await store(house, *odd, *numbered(3), owner_id=house.data.users["joe"].id)
    everything = [each for ids in await all_pages(house, "paginate=false") for each in ids]
    assert set(everything) == {*odd, *numbered(3)}
    for size in (1, 2, 5):
        pages = await all_pages(house, f"page_size={size}")
        assert [each for ids in pages for each in ids] == everything
        assert all(len(ids) == size for ids in pages[:-1])
        pages = await all_pages(house, f"page_size={size}", _of_joe(house))
        # CouchDB may order odd ids of one owner by other rules than those of everybody.
        assert sorted(each for ids in pages for each in ids) == sorted(everything)
        assert all(len(ids) == size for ids in pages[:-1])
    _, key = await page(house, "page_size=1")
    assert key is not None and quote(key, safe="") == key
    await remove(house, *everything)


async def test_a_few_hundred_on_either_store(house: House) -> None:
    """On memory and on a real store alike: one request and one row more a page, filters in batches."""
    await house.empty()
    ids = numbered(250)
    await store(house, *ids[:240])
    await store(house, *ids[240:], colour="red", owner_id=house.data.users["joe"].id)
    house.forget()
    pages = await all_pages(house, "page_size=50")
    assert [each for ids_ in pages for each in ids_] == ids[::-1]
    assert max(request.rows for request in house.store.requests) == 51
    assert house.store.operations == ["by_id"] * 5
    house.forget()
    found = await all_pages(house, "filter_colour=red&page_size=4&ascending=true")
    assert [each for ids_ in found for each in ids_] == ids[240:]
    assert max(request.rows for request in house.store.requests) <= FILTER_BATCH + 1
    await page(house, "page_size=1", path=_of_joe(house))
    for order, expected in (("ascending", ids[240:]), ("descending", ids[240:][::-1])):
        house.forget()
        found = await all_pages(house, f"page_size=4&{order}=true", _of_joe(house))
        assert [each for ids_ in found for each in ids_] == expected
        assert house.store.operations == ["by_owner"] * 3 and house.store.rows == 12
    answer = await house.get(f"{_of_joe(house)}?page_size=4")
    everybodys = await house.get(f"{house.path()}?page_size=4&filter_colour=red")
    assert answer.data == everybodys.data and len(answer.data) == 4
    await remove(house, *ids)


async def _there(house: House) -> list[str]:
    return (await page(house, "paginate=false"))[0]
