{{/* What things are called. */}}
{{- define "passerelle.name" -}}
{{- if contains "passerelle" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-passerelle" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "passerelle.labels" -}}
app.kubernetes.io/name: passerelle
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Of one part: root, component, tenant ("" for one that serves all). */}}
{{- define "passerelle.selector" -}}
app.kubernetes.io/name: passerelle
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .tenant }}
passerelle/network: {{ . }}
{{- end }}
{{- end }}

{{- define "passerelle.part" -}}
{{ include "passerelle.name" .root }}-{{ .component }}{{ with .tenant }}-{{ . }}{{ end }}
{{- end }}

{{- define "passerelle.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "passerelle.cluster" -}}
{{ include "passerelle.name" .root }}-{{ .cluster }}
{{- end }}

{{/* The networks that a worker or a clock serves: one part for all (""), or one for each. */}}
{{- define "passerelle.served" -}}
{{- if .Values.worker.perTenant }}{{ keys .Values.tenants | sortAlpha | toJson }}{{ else }}{{ list "" | toJson }}{{ end }}
{{- end }}

{{/* Whether something optional is made: `true`, `false`, or `auto` where the cluster knows its kind. */}}
{{- define "passerelle.wanted" -}}
{{- $is := toString .enabled -}}
{{- if or (eq $is "true") (and (eq $is "auto") (.root.Capabilities.APIVersions.Has .api)) }}yes{{ end }}
{{- end }}
