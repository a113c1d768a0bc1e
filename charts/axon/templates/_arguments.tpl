{{/* The flags of the operator, one list item each. */}}
{{- define "axon.arguments" -}}
- run
- --runner-image={{ include "axon.image" (dict "root" . "image" .Values.image) }}
- --git-image={{ include "axon.image" (dict "root" . "image" .Values.gitImage) }}
{{- range $type, $agent := .Values.agents }}
{{- $image := ternary $agent.image $.Values.gitImage (ne $agent.image.repository "") }}
- --agent-image={{ $type }}={{ include "axon.image" (dict "root" $ "image" $image) }}
{{- with $agent.resources }}
- {{ printf "--agent-resources=%s=%s" $type (toJson .) | quote }}
{{- end }}
{{- end }}
- --image-pull-policy={{ .Values.imagePullPolicy }}
{{- with .Values.watchNamespaces }}
- --watch-namespace={{ join "," . }}
{{- end }}
- --secrets={{ include "axon.secrets" . }}
- --concurrency={{ .Values.concurrency }}
{{- with .Values.defaults.type }}
- --default-type={{ . }}
{{- end }}
{{- with .Values.defaults.timeout }}
- --default-timeout={{ . }}
{{- end }}
{{- with .Values.githubApiUrl }}
- --github-api-url={{ . }}
{{- end }}
- --lease-name={{ include "axon.fullname" . }}-operator
{{- if not .Values.leaderElection.enabled }}
- --no-leader-election
{{- end }}
{{- range $name, $value := include "axon.proxyVariables" . | fromJson }}
- {{ printf "--pod-env=%s=%s" $name $value | quote }}
{{- end }}
{{- with .Values.caBundle.configMapName }}
- --pod-ca={{ . }}/{{ $.Values.caBundle.key }}
{{- end }}
{{- if or .Values.features.sources .Values.features.agents }}
- --expect-features={{ concat .Values.features.agents .Values.features.sources | join "," }}
{{- end }}
{{- if .Values.webhook.enabled }}
- --webhook-address=0.0.0.0:8082
- --webhook-secrets=/etc/axon/webhook-secrets
{{- end }}
- --log-level={{ .Values.log.level }}
- --log-format={{ .Values.log.format }}
{{- end }}
