{{/* What the operator does in the namespaces that it watches, and nothing else. */}}
{{- define "axon.rules" -}}
# Tasks: steps of pipelines are created, cancelled by a patch, and deleted when their time is over.
- apiGroups: [axon.io]
  resources: [tasks]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [axon.io]
  resources: [workspaces, agentconfigs, agentproviders, taskdefaults, taskpipelines, taskspawners]
  verbs: [get, list, watch]
# A person's wish for a Task now is an annotation, which is taken away once it is met.
- apiGroups: [axon.io]
  resources: [taskspawners]
  verbs: [patch]
- apiGroups: [axon.io]
  resources: [tasks/status, agentproviders/status, taskpipelines/status, taskspawners/status]
  verbs: [patch]
# One Job for each attempt.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# The patch takes the start gate off. A cancelled Task's pod is deleted.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
# The text that a step of a pipeline ends with.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# The volumes of Workspaces with storage, and of their Tasks.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [create]
# What spawners remember.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list, create, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
# Run descriptions, tokens and texts of steps. Who may only create reads nothing.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
{{- if kindIs "string" .Values.rbac.secrets }}
{{ include "axon.wholeSecretsRule" . }}
{{- end }}
{{- end }}

{{/* Every Secret: watched for its metadata, read when it is used. A token that was made is patched. */}}
{{- define "axon.wholeSecretsRule" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, patch]
{{- end }}

{{/* Whom the rights are given to. */}}
{{- define "axon.subjects" -}}
- kind: ServiceAccount
  name: {{ include "axon.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
