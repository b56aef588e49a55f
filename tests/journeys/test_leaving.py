"""A patient takes his record away, closes it, and has it erased, through the real HTTP face."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from datetime import timedelta

from passerelle.dossier.erasure_certificate import verify
from passerelle_ops.relay import Subscribers
from passerelle_ops.schedule import periodic_tasks, run_alone
from tests.journeys.conftest import Network, cda


async def test_a_patient_leaves_with_everything_and_leaves_nothing(network: Network) -> None:
    who, patient, record = await network.patient("depart")
    doctor = await network.professional()
    await patient.asks("Authorize", patientId=record, rpps=doctor.rpps)
    filed = await doctor.files(cda(who, doctor, "Compte rendu d'essai", seed="d1"))
    url = (await patient.asks("RecordExport", patientId=record))["url"]

    taken = await patient.client.get(url)
    assert taken.status_code == 200
    archive = zipfile.ZipFile(io.BytesIO(taken.content))
    (entry,) = json.loads(archive.read("donnees/documents.json"))
    content = await patient.client.get(f"/oncomip/documents/{filed['documentId']}/content")
    assert archive.read(entry["file"]) == content.content
    assert "Compte rendu d" in archive.read(entry["reading"]).decode()
    assert (await doctor.client.get(url)).status_code == 403

    await patient.asks("CloseDossier", patientId=record)
    asked = await patient.asks("RequestErasure", patientId=record, proof="lettre recommandée")
    assert asked["__typename"] == "ErasureRequest"
    assert (await patient.client.get(url)).status_code == 200  # archived, and still his

    network.clock.advance(timedelta(days=92))
    tenant = network.serving.world.tenant
    (erasures,) = [task for task in periodic_tasks(Subscribers(), 5.0) if task.name == "erasures"]
    assert await run_alone(erasures, tenant, network.clock)

    patient = network.citizen(who)  # signs in again, three months later
    held = await patient.asks("ErasureCertificate", patientId=record)
    said = verify(held["statement"], base64.b64decode(held["signature"]), tenant.keys.public_key)
    assert (said["basis"], said["documents"], said["contents_destroyed"]) == ("request", 1, 1)
    assert (await patient.client.get(url)).status_code == 409
    reopened = await patient.asks("ReopenDossier", patientId=record, proof="trop tard")
    assert reopened["__typename"] == "Conflict"
    journal = await patient.asks("Journal", patientId=record)
    assert {"export", "purge"} <= {line["node"]["action"] for line in journal["edges"]}
