{{/* One DSN, by reference to its Secret: root, variable, database (values), name (default), owner (bool), secret. */}}
{{- define "passerelle.dsn" -}}
{{- $cluster := .database.cluster -}}
{{- $host := .database.host -}}
{{- $secret := .secret | default .database.secret -}}
{{- $tls := "" -}}
{{- if $cluster -}}
{{- $host = printf "%s-rw" (include "passerelle.cluster" (dict "root" .root "cluster" $cluster)) -}}
{{- $tls = printf "?sslmode=verify-full&sslrootcert=/etc/passerelle/ca/cluster-%s.crt" $cluster -}}
{{- else -}}
{{- with .root.Values.databaseTls -}}
{{- $tls = printf "?sslmode=%s" .mode -}}
{{- if .caSecret -}}{{- $tls = printf "%s&sslrootcert=/etc/passerelle/ca/databases.crt" $tls -}}
{{- else if hasPrefix "verify" .mode -}}{{- $tls = printf "%s&sslrootcert=system" $tls -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if .owner -}}
{{- $secret = .database.ownerSecret | default (printf "%s-app" (include "passerelle.cluster" (dict "root" .root "cluster" $cluster))) -}}
{{- end -}}
{{- $of := printf "%s%s" .variable (ternary "_OWNER" "" .owner) -}}
- name: {{ $of }}_USER
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: username}}
- name: {{ $of }}_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: password}}
- name: PASSERELLE_{{ $of }}_URL
  value: {{ printf "postgresql://$(%s_USER):$(%s_PASSWORD)@%s:%d/%s%s" $of $of $host (int (.database.port | default 5432)) (.database.name | default .name) $tls | quote }}
{{- end }}

{{/* The broker under one user: root, variable, secret. */}}
{{- define "passerelle.brokerUrl" -}}
{{- $tls := "" -}}
{{- with .root.Values.broker.tls -}}
{{- if .enabled -}}
{{- $tls = printf "?ssl_cert_reqs=required%s" (ternary "&ssl_ca_certs=/etc/passerelle/ca/broker.crt" "" (ne .caSecret "")) -}}
{{- end -}}
{{- end -}}
- name: {{ .variable }}_USER
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: username}}
- name: {{ .variable }}_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: password}}
- name: PASSERELLE_{{ .variable }}_URL
  {{- with .root.Values.broker }}
  value: {{ printf "%s://$(%s_USER):$(%s_PASSWORD)@%s:%d/%d%s" (ternary "rediss" "redis" .tls.enabled) $.variable $.variable .host (int .port) (int .database) $tls | quote }}
  {{- end }}
{{- end }}

{{/* Everything a program reads from its environment: root, component, tenant ("" for all). */}}
{{- define "passerelle.environment" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $component := .component -}}
{{- $only := .tenant -}}
{{- $migrates := eq .component "migrate" -}}
{{- $owns := has .component (list "migrate" "backup") -}}
- {name: PASSERELLE_STATE, value: /run/passerelle/state}
- {name: PASSERELLE_ENVIRONMENT, value: {{ $values.environment }}}
- {name: PASSERELLE_LOG_LEVEL, value: {{ $values.logLevel }}}
- {name: PASSERELLE_STATEMENT_SECONDS, value: {{ $values.statementSeconds | quote }}}
{{ $directorySecret := "" -}}
{{- if $only -}}{{- $directorySecret = (index $values.tenants $only).directorySecret | default "" -}}{{- end -}}
{{ include "passerelle.dsn" (dict "root" $root "variable" "DIRECTORY" "database" $values.directory.database "owner" false "secret" $directorySecret) }}
{{- if $owns }}
{{ include "passerelle.dsn" (dict "root" $root "variable" "DIRECTORY" "database" $values.directory.database "owner" true) }}
{{- end }}
{{- range $id := keys $values.tenants | sortAlpha }}
{{- if or (not $only) (eq $only $id) }}
{{- $tenant := index $values.tenants $id }}
{{- $given := dict "root" $root "variable" (printf "TENANT_%s" (upper $id)) "database" $tenant.database "name" (printf "tenant_%s" $id) }}
{{ include "passerelle.dsn" (merge (dict "owner" false) $given) }}
{{- if $owns }}
{{ include "passerelle.dsn" (merge (dict "owner" true) $given) }}
{{- with $tenant.directorySecret }}
{{ include "passerelle.dsn" (dict "root" $root "variable" (printf "TENANT_%s_DIRECTORY" (upper $id)) "database" $values.directory.database "owner" false "secret" .) }}
{{- end }}
{{- end }}
{{- if and (has $component (list "worker" "beat")) $tenant.brokerSecret }}
{{ include "passerelle.brokerUrl" (dict "root" $root "variable" (printf "TENANT_%s_BROKER" (upper $id)) "secret" $tenant.brokerSecret) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $migrates }}
- {name: PASSERELLE_NETWORKS, value: /etc/passerelle/networks}
{{- else }}
{{- if $values.contents.claim }}
- {name: PASSERELLE_CONTENTS_URL, value: "file:///var/lib/passerelle/contents"}
{{- else }}
- {name: PASSERELLE_CONTENTS_URL, value: {{ $values.contents.url | quote }}}
{{- with $values.contents.endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- with $values.contents.region }}
- {name: AWS_REGION, value: {{ . | quote }}}
{{- end }}
{{- with $values.contents.secret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: access_key_id}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: secret_access_key}}
{{- end }}
{{- end }}
{{- if not $owns }}
- {name: PASSERELLE_READY_FILE, value: /run/passerelle/ready}
{{- end }}
{{- if ne $component "web" }}
- {name: PASSERELLE_LEDGER_URL, value: {{ ternary "file:///var/lib/passerelle/ledger" $values.ledger.url (ne $values.ledger.claim "") | quote }}}
{{- end }}
{{- end }}
{{- if and $values.cisis.claim (has $component (list "web" "worker")) }}
- {name: PASSERELLE_CISIS_DIR, value: /var/lib/passerelle/cisis}
{{- end }}
{{- if eq $component "web" }}
- {name: PASSERELLE_WEB_PROCESSES, value: {{ $values.web.processes | quote }}}
- {name: PASSERELLE_CONNECTIONS, value: {{ $values.web.connections | quote }}}
- {name: PASSERELLE_DRAIN_SECONDS, value: {{ $values.web.drainSeconds | quote }}}
- {name: PASSERELLE_ISSUER, value: {{ $values.issuers.professionals | quote }}}
{{- with $values.issuers.persons }}
- {name: PASSERELLE_PERSON_ISSUER, value: {{ . | quote }}}
{{- end }}
{{- with $values.issuers.officers }}
- {name: PASSERELLE_OFFICER_ISSUER, value: {{ . | quote }}}
{{- end }}
- {name: PASSERELLE_AUDIENCE, value: {{ $values.audience | quote }}}
- {name: PASSERELLE_OPERATIONS, value: {{ $values.operations.accepted }}}
{{- if $values.operations.configMap }}
- {name: PASSERELLE_OPERATIONS_FOLDER, value: /etc/passerelle/operations}
{{- end }}
{{- with $values.federationUrl }}
- {name: PASSERELLE_FEDERATION_URL, value: {{ . | quote }}}
{{- end }}
- {name: PASSERELLE_METRICS, value: "true"}
- {name: PASSERELLE_METRICS_FOLDER, value: /run/metrics}
{{- end }}
{{- if eq $component "worker" }}
- {name: PASSERELLE_HOST, value: {{ $values.web.address | quote }}}
- {name: PASSERELLE_METRICS_PORT, value: "9100"}
{{- end }}
{{- if and $values.traces.url (has $component (list "web" "worker")) }}
- {name: PASSERELLE_TRACES_URL, value: {{ $values.traces.url | quote }}}
- {name: PASSERELLE_TRACES_SHARE, value: {{ $values.traces.share | quote }}}
{{- end }}
{{- if has $component (list "worker" "beat") }}
- {name: PASSERELLE_CONNECTIONS, value: {{ $values.worker.connections | quote }}}
- {name: PASSERELLE_BEAT, value: "false"}
{{- if $only }}
- {name: PASSERELLE_WORKER_TENANT, value: {{ $only }}}
{{- else }}
{{ include "passerelle.brokerUrl" (dict "root" $root "variable" "BROKER" "secret" $values.broker.secret) }}
{{- end }}
{{- end }}
{{- end }}
