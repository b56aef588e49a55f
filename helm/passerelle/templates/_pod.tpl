{{/* Of every container: the restricted Pod Security Standard, and a root that cannot be written. */}}
{{- define "passerelle.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Who the process is: an account that the image knows, whose group may read what is mounted. */}}
{{- define "passerelle.identity" -}}
serviceAccountName: {{ include "passerelle.name" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
topologySpreadConstraints:
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "passerelle.selector" $ | fromYaml | toJson }}
{{- end }}
{{- end }}

{{/* Image, environment, security, mounts of one container: root, component, tenant. */}}
{{- define "passerelle.container" -}}
image: {{ include "passerelle.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext: {{ include "passerelle.confined" . | fromYaml | toJson }}
env:
  {{- include "passerelle.environment" . | nindent 2 }}
volumeMounts:
  - {name: run, mountPath: /run/passerelle}
  - {name: tmp, mountPath: /tmp}
  {{- if include "passerelle.authorities" . }}
  - {name: ca, mountPath: /etc/passerelle/ca, readOnly: true}
  {{- end }}
  {{- if eq .component "migrate" }}
  - {name: networks, mountPath: /etc/passerelle/networks, readOnly: true}
  {{- else if .root.Values.contents.claim }}
  - {name: contents, mountPath: /var/lib/passerelle/contents}
  {{- end }}
  {{- if and .root.Values.ledger.claim (has .component (list "worker" "beat" "backup")) }}
  - {name: ledger, mountPath: /var/lib/passerelle/ledger}
  {{- end }}
  {{- if and .root.Values.cisis.claim (has .component (list "web" "worker")) }}
  - {name: cisis, mountPath: /var/lib/passerelle/cisis, readOnly: true}
  {{- end }}
  {{- if eq .component "backup" }}
  - {name: recipient, mountPath: /etc/passerelle/backup, readOnly: true}
  {{- end }}
  {{- if eq .component "web" }}
  - {name: metrics, mountPath: /run/metrics}
  {{- if .root.Values.operations.configMap }}
  - {name: operations, mountPath: /etc/passerelle/operations, readOnly: true}
  {{- end }}
  {{- end }}
{{- end }}

{{/* Before anything else: a Secret is mounted readable by a group, and a key file must be its owner's alone. */}}
{{- define "passerelle.keysFirst" -}}
- name: keys
  image: {{ include "passerelle.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command:
    - sh
    - -ceu
    - |
      umask 077
      mkdir -p "$PASSERELLE_STATE/keys"
      cp -fL /etc/passerelle/keys/locator.key "$PASSERELLE_STATE/"
      cp -fL /etc/passerelle/keys/networks/*.key "$PASSERELLE_STATE/keys/"
      chmod 0400 "$PASSERELLE_STATE"/*.key "$PASSERELLE_STATE"/keys/*.key
  env:
    - {name: PASSERELLE_STATE, value: /run/passerelle/state}
  resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 64Mi}}
  securityContext: {{ include "passerelle.confined" . | fromYaml | toJson }}
  volumeMounts:
    - {name: run, mountPath: /run/passerelle}
    - {name: keys, mountPath: /etc/passerelle/keys, readOnly: true}
{{- end }}

{{/* Then, but for what migrates: nothing of this version starts on a database that is behind it. */}}
{{- define "passerelle.databasesFirst" -}}
- name: databases
  command: [passerelle, migrate, --wait, {{ .root.Values.migration.waitSeconds | quote }}]
  resources: {{ toJson .root.Values.migration.resources }}
  {{- include "passerelle.container" . | nindent 2 }}
{{- end }}

{{/* What is mounted: root, component, tenant. */}}
{{- define "passerelle.volumes" -}}
- {name: run, emptyDir: {medium: Memory, sizeLimit: 16Mi}}
- {name: tmp, emptyDir: {sizeLimit: 1Gi}}
- name: keys
  projected:
    defaultMode: 0440
    sources:
      - secret: {name: {{ .root.Values.locatorKeySecret }}, items: [{key: locator.key, path: locator.key}]}
      {{- range $id, $tenant := .root.Values.tenants }}
      {{- if or (not $.tenant) (eq $.tenant $id) }}
      - secret: {name: {{ $tenant.keySecret }}, items: [{key: {{ $id }}.key, path: networks/{{ $id }}.key}]}
      {{- end }}
      {{- end }}
{{- with include "passerelle.authorities" . }}
- name: ca
  projected:
    sources: {{ . | nindent 6 }}
{{- end }}
{{- if eq .component "migrate" }}
- {name: networks, configMap: {name: {{ include "passerelle.name" .root }}-networks}}
{{- else if .root.Values.contents.claim }}
- {name: contents, persistentVolumeClaim: {claimName: {{ .root.Values.contents.claim }}}}
{{- end }}
{{- if and .root.Values.ledger.claim (has .component (list "worker" "beat" "backup")) }}
- {name: ledger, persistentVolumeClaim: {claimName: {{ .root.Values.ledger.claim }}}}
{{- end }}
{{- if and .root.Values.cisis.claim (has .component (list "web" "worker")) }}
- {name: cisis, persistentVolumeClaim: {claimName: {{ .root.Values.cisis.claim }}, readOnly: true}}
{{- end }}
{{- if eq .component "backup" }}
- name: recipient
  projected:
    sources:
      - secret: {name: {{ .root.Values.backup.recipientSecret }}, items: [{key: backup.key.pub, path: backup.key.pub}]}
{{- end }}
{{- if eq .component "web" }}
- {name: metrics, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
{{- with .root.Values.operations.configMap }}
- {name: operations, configMap: {name: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* The certificates by which servers are recognised, as sources of one volume; empty when there are none. */}}
{{- define "passerelle.authorities" -}}
{{- $values := .root.Values -}}
{{- with $values.databaseTls.caSecret }}
- secret: {name: {{ . }}, items: [{key: ca.crt, path: databases.crt}]}
{{- end }}
{{- if has .component (list "worker" "beat") }}
{{- with $values.broker.tls.caSecret }}
- secret: {name: {{ . }}, items: [{key: ca.crt, path: broker.crt}]}
{{- end }}
{{- end }}
{{- $used := list $values.directory.database.cluster }}
{{- range $id, $tenant := $values.tenants }}
{{- if or (not $.tenant) (eq $.tenant $id) }}{{ $used = append $used $tenant.database.cluster }}{{ end }}
{{- end }}
{{- range $used | compact | uniq | sortAlpha }}
- secret: {name: {{ include "passerelle.cluster" (dict "root" $.root "cluster" .) }}-ca, items: [{key: ca.crt, path: cluster-{{ . }}.crt}]}
{{- end }}
{{- end }}

{{/* How a worker or a clock is watched: it touches a file once it listens, and every ten seconds from then on. */}}
{{- define "passerelle.touches" -}}
startupProbe:
  exec: {command: [test, -f, /run/passerelle/ready]}
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  exec: {command: [sh, -c, 'test -n "$(find /run/passerelle/ready -mmin -2)"']}
  periodSeconds: 30
  failureThreshold: 2
{{- end }}
