-- What PostGraphile serves of the ground of `passerelle bench gateway`: the same rule for the same rows, twice.
--   patient.documents   the rule inside a computed column (security definer: policies do not count)
--   patient.records     the rule inside the policy of the table, which the column only sorts and cuts
-- `peer.rpps` is who asks. Run as the owner, with the name of the reading role in `peer.reader`.

drop schema if exists peer cascade;
create schema peer;

create table peer.allowed_type (type_code text primary key);
insert into peer.allowed_type
  select distinct type_code from public.document where type_code <> 'ATTEST-RESID';

create function peer.subject() returns text language sql stable
  return 'professional:' || current_setting('peer.rpps', true);

-- Whether the reader cares for this patient: declared, or in a team that the patient consented to; and not blocked.
create function peer.cares(patient uuid) returns boolean language sql stable security definer
  set search_path = public, pg_temp
as $$
  select exists (select from dossier where patient_id = patient and state = 'open')
     and not exists (
       select from block
       where patient_id = patient and subject = peer.subject()
         and valid_from <= now() and (valid_until is null or valid_until > now()))
     and (
       exists (
         select from relation
         where patient_id = patient and subject = peer.subject()
           and valid_from <= now() and (valid_until is null or valid_until > now()))
       or exists (
         select from team_consent consent join care_team_member member using (team_id)
         where patient_id = patient and subject = peer.subject()
           and consent.valid_from <= now() and (consent.valid_until is null or consent.valid_until > now())
           and member.valid_from <= now() and (member.valid_until is null or member.valid_until > now())))
$$;

-- Whether the reader sees a later version of the same chain. As the owner: a policy must not ask itself.
create function peer.sees_later(patient uuid, chain uuid, place int) returns boolean language sql stable security definer
  set search_path = public, pg_temp
as $$
  select exists (
    select from document later
    where later.patient_id = patient and later.chain_id = chain and later.chain_position > place
      and later.status <> 'deleted'
      and (current_setting('peer.rpps', true) = any (later.author_ids)
           or (not later.masked and later.type_code in (select type_code from peer.allowed_type))))
$$;

create view peer.patient as
  select patient_id, ins_oid, ins_value, upper(ins_status) as identity_status, family_name, nullif(used_name, '') as used_name, given_names,
         birth_date, sex, dossier.state, dossier.opened_at
  from public.patient join public.dossier using (patient_id)
  where peer.cares(patient_id);
comment on view peer.patient is '@primaryKey patient_id';

create view peer.document with (security_invoker) as
  select document_id, patient_id, unique_id, upper(status) as status, class_code, class_label, type_code, type_label,
         title, mime_type, masked, hidden_from_patient, by_patient, service_start, creation_time, act_at, filed_at, size,
         authors as signed
  from public.document;
comment on view peer.document is E'@primaryKey document_id\n@omit all';

create table peer.label (system text, code text, label text, primary key (system, code));
insert into peer.label values ('profession', '10', 'Médecin'), ('specialty', 'SM54', 'Médecine générale (SM)');

create type peer.author as (
  kind text, rpps text, family_name text, given_name text, profession_code text, profession_label text,
  specialty_code text, specialty_label text, structure_name text
);

create function peer.document_authors(document peer.document) returns setof peer.author language sql stable as $$
  select signed.kind, signed.id, signed.family_name, signed.given_name, signed.profession, profession.label,
         signed.specialty, specialty.label, signed.structure_name
  from jsonb_to_recordset(document.signed)
         as signed (kind text, id text, family_name text, given_name text, profession text, specialty text,
                    structure_name text)
       left join peer.label profession on profession.system = 'profession' and profession.code = signed.profession
       left join peer.label specialty on specialty.system = 'specialty' and specialty.code = signed.specialty
$$;

create function peer.patient_documents(patient peer.patient, size int, since timestamptz) returns setof peer.document
  language sql stable security definer set search_path = public, pg_temp
as $$
  select document_id, patient_id, unique_id, upper(status), class_code, class_label, type_code, type_label, title,
         mime_type, masked, hidden_from_patient, by_patient, service_start, creation_time, act_at, filed_at,
         document.size, authors
  from document
  where patient_id = patient.patient_id and act_at >= coalesce(since, now() - interval '24 months')
    and status = 'current'
    and (current_setting('peer.rpps', true) = any (author_ids)
         or (not masked and type_code = any ((select array_agg(type_code) from peer.allowed_type)::text[])))
    and (superseded_by is null or not peer.sees_later(patient_id, chain_id, chain_position))
  order by act_at desc, document_id desc limit $2
$$;

create function peer.patient_records(patient peer.patient, size int, since timestamptz) returns setof peer.document
  language sql stable
as $$
  select * from peer.document
  where patient_id = patient.patient_id and act_at >= coalesce(since, now() - interval '24 months')
  order by act_at desc, document_id desc limit $2
$$;

-- Of the reading role alone: the gateway's own role passes by policies, so that it is not slowed down.
alter table public.document enable row level security;
create policy peer_reads on public.document for select using (
  status = 'current'
  and (current_setting('peer.rpps', true) = any (author_ids)
       or (not masked and type_code = any ((select array_agg(type_code) from peer.allowed_type)::text[])))
  and (superseded_by is null or not peer.sees_later(patient_id, chain_id, chain_position))
  and (exists (
         select from public.relation
         where relation.patient_id = document.patient_id and subject = peer.subject()
           and valid_from <= now() and (valid_until is null or valid_until > now()))
       or exists (
         select from public.team_consent consent join public.care_team_member member using (team_id)
         where consent.patient_id = document.patient_id and subject = peer.subject()
           and consent.valid_from <= now() and (consent.valid_until is null or consent.valid_until > now())
           and member.valid_from <= now() and (member.valid_until is null or member.valid_until > now())))
  and not exists (
    select from public.block
    where block.patient_id = document.patient_id and subject = peer.subject()
      and valid_from <= now() and (valid_until is null or valid_until > now()))
);

create view peer.journal as
  select line_id, patient_id, at, actor_kind, case actor_kind when 'professional' then actor_id end as actor_rpps,
         actor_name, actor_profession, actor_establishment, software, action, kind, outcome, code, rule, mode, purpose
  from public.journal;
comment on view peer.journal is E'@primaryKey line_id\n@omit all';

create function peer.is_attending(patient uuid) returns boolean language sql stable security definer
  set search_path = public, pg_temp
as $$
  select peer.cares(patient) and exists (
    select from relation
    where patient_id = patient and subject = peer.subject() and relation = 'attending_physician'
      and valid_from <= now() and (valid_until is null or valid_until > now()))
$$;

create function peer.lines(patient uuid, size int, before bigint, until timestamptz, emergencies boolean)
  returns setof peer.journal language sql stable security definer set search_path = public, pg_temp
as $$
  select line_id, patient_id, at, actor_kind, case actor_kind when 'professional' then actor_id end, actor_name,
         actor_profession, actor_establishment, software, action, kind, outcome, code, rule, mode, purpose
  from journal
  where patient_id = patient and peer.is_attending(patient)
    and (before is null or line_id < before) and (until is null or at < until)
    and (not emergencies or mode <> 'normal' or action = 'break_glass')
    and (document_id is null or document_id not in (
      select document_id from document
      where document.patient_id = patient and masked and current_setting('peer.rpps', true) <> all (author_ids)))
  order by line_id desc limit $2
$$;

do $$ begin
  execute format('grant usage on schema peer to %I', current_setting('peer.reader'));
  execute format('grant select on all tables in schema peer to %I', current_setting('peer.reader'));
  execute format('grant execute on all functions in schema peer to %I', current_setting('peer.reader'));
end $$;
