{{/* What a schema cannot say: one value that does not go with another. Each message names its key. */}}
{{- define "passerelle.checks" -}}
{{- $values := .Values -}}
{{- include "passerelle.checkDatabase" (dict "key" "directory.database" "database" .Values.directory.database "values" .Values) -}}
{{- $hosts := dict -}}
{{- range $id, $tenant := .Values.tenants -}}
{{- $key := printf "tenants.%s" $id -}}
{{- include "passerelle.checkDatabase" (dict "key" (printf "%s.database" $key) "database" $tenant.database "values" $values) -}}
{{- if not (regexMatch (printf "(?m)^id *= *\"%s\"" $id) $tenant.declaration) -}}
{{- fail (printf "%s.declaration : ce n'est pas la déclaration du réseau « %s » (ligne id = \"%s\")." $key $id $id) -}}
{{- end -}}
{{- if and $values.worker.perTenant (not $tenant.brokerSecret) -}}
{{- fail (printf "%s.brokerSecret : avec worker.perTenant, chaque réseau a son propre compte au courtier." $key) -}}
{{- end -}}
{{- if and $values.worker.perTenant (not $tenant.directorySecret) -}}
{{- fail (printf "%s.directorySecret : avec worker.perTenant, chaque réseau a son propre compte à l'annuaire." $key) -}}
{{- end -}}
{{- $here := $values.directory.database.cluster -}}
{{- if and $here (eq $here (toString $tenant.database.cluster)) $tenant.directorySecret (ne (toString $tenant.directorySecret) $tenant.database.secret) -}}
{{- fail (printf "%s.directorySecret : sur le cluster de l'annuaire, c'est le même compte que %s.database.secret (%s)." $key $key $tenant.database.secret) -}}
{{- end -}}
{{- if and $tenant.clientCaSecret (not $tenant.host) -}}
{{- fail (printf "%s.host : un réseau qui demande des certificats de client (clientCaSecret) a un nom d'hôte à lui." $key) -}}
{{- end -}}
{{- if and $tenant.host (hasKey $hosts $tenant.host) -}}
{{- fail (printf "%s.host : « %s » est déjà l'hôte de %s." $key $tenant.host (get $hosts $tenant.host)) -}}
{{- end -}}
{{- with $tenant.host }}{{ $_ := set $hosts . $key }}{{ end -}}
{{- if and $values.ingress.enabled (not $tenant.host) (not $values.ingress.host) -}}
{{- fail (printf "ingress.host : il en faut un, ou tenants.%s.host (ou ingress.enabled: false)." $id) -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.worker.perTenant) (not .Values.broker.secret) -}}
{{- fail "broker.secret : il faut le compte de l'installation au courtier, ou worker.perTenant: true." -}}
{{- end -}}
{{- with .Values.contents -}}
{{- if and .url .claim }}{{ fail "contents.claim : contents.url est déjà donné, il faut l'un ou l'autre." }}{{ end -}}
{{- if not (or .url .claim) }}{{ fail "contents.url : il en faut un (s3://…), ou contents.claim." }}{{ end -}}
{{- end -}}
{{- if and .Values.backup.destination (not .Values.backup.recipientSecret) -}}
{{- fail "backup.recipientSecret : il faut la clé publique des sauvegardes (passerelle backup-key)." -}}
{{- end -}}
{{- with .Values.ledger -}}
{{- if and .url .claim }}{{ fail "ledger.claim : ledger.url est déjà donné, il faut l'un ou l'autre." }}{{ end -}}
{{- if not (or .url .claim) }}{{ fail "ledger.url : il en faut un (s3://…, hors du stock de documents), ou ledger.claim." }}{{ end -}}
{{- if and .url (eq .url $values.contents.url) }}{{ fail "ledger.url : ailleurs que contents.url, dont il survit à la perte." }}{{ end -}}
{{- end -}}
{{- with .Values.ingress -}}
{{- if and .enabled (ne .clientCertificates "none") .host (not .clientCaSecret) -}}
{{- fail "ingress.clientCaSecret : il faut l'autorité dont les certificats de client sont demandés (ingress.clientCertificates)." -}}
{{- end -}}
{{- if and .enabled $values.federationUrl (eq .clientCertificates "required") (not .federationHost) -}}
{{- fail "ingress.federationHost : les autres réseaux n'ont pas de certificat de client ; il leur faut un hôte à eux." -}}
{{- end -}}
{{- if and .federationHost (ne $values.federationUrl (printf "https://%s" .federationHost)) -}}
{{- fail (printf "federationUrl : ce devrait être https://%s (ingress.federationHost)." .federationHost) -}}
{{- end -}}
{{- end -}}
{{- with .Values.web -}}
{{- if and .autoscaling.enabled (lt (int .autoscaling.maxReplicas) (int .replicas)) -}}
{{- fail "web.autoscaling.maxReplicas : moins que web.replicas." -}}
{{- end -}}
{{- end -}}
{{- if lt (int .Values.worker.autoscaling.maxReplicas) (int .Values.worker.replicas) -}}
{{- fail "worker.autoscaling.maxReplicas : moins que worker.replicas." -}}
{{- end -}}
{{- end }}

{{- define "passerelle.checkDatabase" -}}
{{- with .database -}}
{{- if and .host .cluster }}{{ fail (printf "%s.cluster : host est déjà donné, il faut l'un ou l'autre." $.key) }}{{ end -}}
{{- if not (or .host .cluster) }}{{ fail (printf "%s.host : il en faut un, ou cluster." $.key) }}{{ end -}}
{{- if and .cluster (not (hasKey $.values.clusters .cluster)) -}}
{{- fail (printf "%s.cluster : « %s » n'est pas dans clusters (%s)." $.key .cluster (keys $.values.clusters | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if and .host (not .ownerSecret) -}}
{{- fail (printf "%s.ownerSecret : sur un serveur extérieur, il faut nommer le compte qui migre." $.key) -}}
{{- end -}}
{{- end -}}
{{- end }}
