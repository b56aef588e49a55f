"""Another key signs: what was sealed before stays proven, and the former key is good for nothing more."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import literal, select

from passerelle.audit import successions
from passerelle.audit.export import export_lines, lines_between, written
from passerelle.audit.heads import head_at
from passerelle.audit.sealing import seal
from passerelle.audit.successions import LastSigned, chained, public_key_named
from passerelle.audit.transactions import transaction
from passerelle.audit.verifier import faults_of, key_id_of, main, read_json
from passerelle.dossier.erasure_certificate import certified, verify
from passerelle.kernel import key_rotation
from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Context
from passerelle.kernel.errors import BrokenIntegrity, Conflict
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.keys import Keys
from passerelle_ops import sealing_keys
from passerelle_policies.vocabulary import ActorKind, Purpose
from tests.audit.sealed import Sealing


@dataclass(slots=True)
class Ground:
    """A journal whose network keeps its keys in a file, and what a machine has that never saw the new one."""

    sealing: Sealing
    file: Path
    forgotten: Path

    @property
    def place(self) -> KeyPlace:
        return KeyPlace(self.file)

    @property
    def context(self) -> Context:
        return self.sealing.context

    async def change(self) -> str:
        """Prepared, carried round, put in use."""
        async with transaction(self.context) as act:
            await sealing_keys.prepare(act, self.place)
        return await sealing_keys.put_in_use(self.context, self.place)

    async def export(self, **how: int) -> dict[str, object]:
        async with transaction(self.context) as act:
            return await export_lines(act.connection, self.context.tenant, await lines_between(act.connection), **how)

    def as_if(self, file: Path) -> Context:
        """As a process whose file is that one."""
        return replace(self.context, tenant=replace(self.context.tenant, keys=Keys.load(file)))


@pytest.fixture
def ground(sealing: Sealing, tmp_path: Path) -> Ground:
    file, forgotten = tmp_path / "essai.key", tmp_path / "forgotten.key"
    keys = Keys.create(file)
    forgotten.write_bytes(file.read_bytes())
    forgotten.chmod(0o600)
    operator = replace(sealing.context.actor, kind=ActorKind.SYSTEM, id="operator-essai", profession=None)
    tenant = replace(sealing.context.tenant, keys=keys)
    sealing.context = replace(sealing.context, tenant=tenant, actor=operator, purpose=Purpose.ADMINISTRATION)
    return Ground(sealing, file, forgotten)


async def test_what_was_sealed_is_proven_across_two_changes(ground: Ground, tmp_path: Path) -> None:
    sealing, first = ground.sealing, key_id_of(ground.context.tenant.keys.public_key)
    await sealing.write(3)
    await sealing.seal()
    old = await ground.export()
    second = await ground.change()
    assert await sealing.found() == []  # nothing was sealed under it yet
    await sealing.write(2)
    await sealing.seal()
    third = await ground.change()
    await sealing.write(1)
    await sealing.seal()
    assert await sealing.found() == []
    assert len({first, second, third}) == 3
    assert "next_signing" not in ground.file.read_text()

    # The change is a line of the journal, and whoever knows any of the keys follows it to the next.
    said = sealing.as_owner("select facts ->> 'reason' from journal where facts ->> 'reason' like %s", ["%succède%"])
    assert [row[0] for row in said] == [
        f"la clé de scellement {second} succède à {first}",
        f"la clé de scellement {third} succède à {second}",
    ]
    made = await ground.export(earlier=3)
    assert [head["key_id"] for head in made["heads"]] == [first, third]  # type: ignore[attr-defined]
    for name, export in (("new.json", made), ("old.json", old)):
        (tmp_path / name).write_bytes(written(export))
    for key in (first, second, third):
        assert main([str(tmp_path / "new.json"), "--key", key, "--earlier", str(tmp_path / "old.json"), "--whole"]) == 0
    assert main([str(tmp_path / "new.json"), "--key", "ed25519:" + "0" * 64]) == 1


async def test_a_succession_that_was_changed_or_left_out_is_named(ground: Ground) -> None:
    await ground.sealing.write(2)
    await ground.sealing.seal()
    await ground.change()
    await ground.sealing.write(2)
    await ground.sealing.seal()
    made = read_json(written(await ground.export(earlier=2)))
    assert faults_of(made, whole=True) == []
    for name, value in (("tree_size", 1), ("root", "00" * 32), ("head", "00" * 32), ("pruned", 1), ("at", "2020")):
        changed = copy.deepcopy(made)
        changed["successions"][0][name] = value
        assert "SUCCESSION_FALSE" in {code for code, _ in faults_of(changed)}, name
    assert ("HEAD_MALFORMED", "2") in faults_of({**made, "successions": []})
    assert ("SUCCESSION_FALSE", "2") in faults_of({**made, "tenant": "autre"})


async def test_the_former_key_writes_nothing_anew(ground: Ground) -> None:
    """Whoever has the former key and owns the database: its last head, a later one, and a pruning are not believed."""
    former = Keys.load(ground.forgotten)
    await ground.sealing.write(2)
    await ground.sealing.seal()
    await ground.change()
    async with transaction(ground.context) as act:
        by = await successions.signers(act.connection, ground.context.tenant)
        last = await head_at(act.connection, "essai", 2)
    assert last is not None
    assert last.is_signed_by(by)
    for changes in ({"root": bytes(32)}, {"tree_size": 3}):
        forged = replace(last, **changes)
        assert not replace(forged, signature=former.sign(forged.text())).is_signed_by(by)
    assert by.of_pruning(1) == by.public_key


async def test_a_machine_that_was_forgotten_seals_nothing_and_the_others_go_on(ground: Ground) -> None:
    await ground.sealing.write(2)
    await ground.sealing.seal()
    prepared = Keys.load(ground.file)  # a process that started before all this
    async with transaction(ground.context) as act:
        await sealing_keys.prepare(act, ground.place)
    carried = ground.file.with_name("carried.key")
    carried.write_bytes(ground.file.read_bytes())
    carried.chmod(0o600)
    await sealing_keys.put_in_use(ground.context, ground.place)
    await ground.sealing.write(1)
    with pytest.raises(Conflict) as refused:
        await seal(ground.as_if(ground.forgotten).tenant, ground.context.clock)
    assert refused.value.code == "SEALING_KEY_SUPERSEDED"
    assert await _sizes(ground) == [2]
    # A copy that was only prepared seals under the new key: no machine waits for another.
    assert (await seal(ground.as_if(carried).tenant, ground.context.clock)).lines > 0
    await ground.sealing.write(1)
    running = replace(ground.context.tenant, keys=prepared)
    assert (await seal(running, ground.context.clock)).lines == 1
    assert await ground.sealing.found() == []


async def test_steps_out_of_order_and_one_that_was_cut_off(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Conflict) as refused:
        await sealing_keys.put_in_use(ground.context, ground.place)
    assert refused.value.code == "SEALING_KEY_NOT_PREPARED"
    async with transaction(ground.context) as act:
        first = await sealing_keys.prepare(act, ground.place)
        assert await sealing_keys.prepare(act, ground.place) == first  # once more draws nothing
    with monkeypatch.context() as patch:
        patch.setattr(key_rotation, "forget_former_signing", _cut_off)
        with pytest.raises(OSError, match="cut off"):
            await sealing_keys.put_in_use(ground.context, ground.place)
    assert "next_signing" in ground.file.read_text()
    assert await sealing_keys.put_in_use(ground.context, ground.place) == first
    assert len(ground.sealing.as_owner("select key_id from journal_key")) == 1
    assert key_id_of(Keys.load(ground.file).public_key) == first


async def test_nothing_succeeds_a_journal_whose_head_is_not_ours(ground: Ground) -> None:
    await ground.sealing.write(2)
    await ground.sealing.seal()
    ground.sealing.as_owner("update journal_seal set signature = sha256('')")
    key_rotation.prepare_signing(ground.place)
    with pytest.raises(BrokenIntegrity) as refused:
        await sealing_keys.put_in_use(ground.context, ground.place)
    assert refused.value.code == "JOURNAL_HEAD_BROKEN"
    assert ground.sealing.as_owner("select key_id from journal_key") == []


async def test_a_certificate_is_verified_by_the_key_that_it_names(ground: Ground) -> None:
    clock = ground.context.clock
    assert isinstance(clock, SetClock)
    async with transaction(ground.context) as act:
        before = certified(await successions.signers(act.connection, ground.context.tenant), UUID(int=1), act.now, {})
    clock.advance(timedelta(days=1))
    await ground.change()
    async with transaction(ground.context) as act:
        by = await successions.signers(act.connection, ground.context.tenant)
        after = certified(by, UUID(int=2), act.now, {})
    assert before.key_id != after.key_id
    async with transaction(ground.context) as act:
        told = [select(public_key_named(literal(each), literal(b"-"))) for each in (before.key_id, after.key_id, "no")]
        assert [bytes((await act.connection.execute(each)).scalar_one()) for each in told] == [
            by.named(before.key_id),
            by.public_key,
            b"-",
        ]
    for each in (before, after):
        assert verify(each.statement, each.signature, by.named(each.key_id))["key_id"] == each.key_id


def test_a_statement_of_others_says_nothing(ground: Ground) -> None:
    tenant = ground.context.tenant
    assert chained(tenant, []).public_key == tenant.keys.public_key
    stranger = {"former": "11" * 32, "key": "22" * 32, **vars_of(LastSigned())}
    assert chained(tenant, [stranger]).successions == ()


def vars_of(left: LastSigned) -> dict[str, object]:
    return {name: getattr(left, name) for name in LastSigned.__dataclass_fields__}


def _cut_off(*_: object) -> None:
    raise OSError("cut off")


async def _sizes(ground: Ground) -> list[int]:
    return [row[0] for row in ground.sealing.as_owner("select tree_size from journal_seal order by 1")]
