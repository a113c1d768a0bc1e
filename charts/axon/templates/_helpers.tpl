{{/* The name in labels. */}}
{{- define "axon.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What the names of objects begin with. Room is left for the longest suffix. */}}
{{- define "axon.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 44 | trimSuffix "-" }}
{{- else if contains (include "axon.name" .) .Release.Name }}
{{- .Release.Name | trunc 44 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "axon.name" .) | trunc 44 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The Deployment, and what belongs to it alone. */}}
{{- define "axon.manager" -}}
{{- include "axon.fullname" . }}-controller-manager
{{- end }}

{{/* Names of objects of the whole cluster, which releases of several namespaces must not share. */}}
{{- define "axon.clusterName" -}}
{{- $fullname := include "axon.fullname" . }}
{{- if eq .Release.Namespace "axon-system" }}
{{- $fullname }}
{{- else }}
{{- printf "%s-%s" .Release.Namespace $fullname }}
{{- end }}
{{- end }}

{{- define "axon.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "axon.manager" .) }}
{{- end }}

{{/* By what the operator's pods are found. */}}
{{- define "axon.selectorLabels" -}}
app.kubernetes.io/name: {{ include "axon.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller-manager
{{- end }}

{{- define "axon.labels" -}}
app.kubernetes.io/name: {{ include "axon.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: axon
app.kubernetes.io/managed-by: {{ .Values.managedBy | default .Release.Service }}
{{- if not .Values.managedBy }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- with omit .Values.commonLabels "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/part-of" "app.kubernetes.io/managed-by" "app.kubernetes.io/component" "helm.sh/chart" }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels of an object that has more of its own, which do not replace those that it is found by:
(dict "root" $ "more" .Values.podLabels). */}}
{{- define "axon.labelsAnd" -}}
{{- merge (include "axon.labels" .root | fromYaml) .more | toYaml }}
{{- end }}

{{/* The name of an image: (dict "root" $ "image" .Values.image). */}}
{{- define "axon.image" -}}
{{- $repository := .image.repository }}
{{- with .root.Values.imageRegistry }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository }}
{{- end }}
{{- if .image.digest }}
{{- printf "%s@%s" $repository .image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (.image.tag | default .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* Hosts without a proxy. */}}
{{- define "axon.noProxy" -}}
{{- $hosts := splitList "," .Values.proxy.noProxy | compact }}
{{- concat $hosts (list ".svc" ".cluster.local") | uniq | join "," }}
{{- end }}

{{/* The variables of the proxy as a JSON object, in capitals and not, since programs read either. */}}
{{- define "axon.proxyVariables" -}}
{{- $variables := dict }}
{{- if or .Values.proxy.httpProxy .Values.proxy.httpsProxy }}
{{- $noProxy := include "axon.noProxy" . }}
{{- range $name, $value := dict "HTTP_PROXY" .Values.proxy.httpProxy "HTTPS_PROXY" .Values.proxy.httpsProxy "NO_PROXY" $noProxy }}
{{- if $value }}
{{- $_ := set $variables $name $value }}
{{- $_ := set $variables (lower $name) $value }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $variables }}
{{- end }}

{{/* Where the Task of `helm test` is. */}}
{{- define "axon.selftestNamespace" -}}
{{- .Values.selftest.namespace | default (first .Values.watchNamespaces) | default .Release.Namespace }}
{{- end }}

{{/* Whether the list of Secrets has whole namespaces or names, as --secrets takes it. */}}
{{- define "axon.secrets" -}}
{{- if kindIs "string" .Values.rbac.secrets }}
{{- .Values.rbac.secrets }}
{{- else }}
{{- $pairs := list }}
{{- range .Values.rbac.secrets }}
{{- $pairs = append $pairs (printf "%s/%s" .namespace (.name | default "*")) }}
{{- end }}
{{- join "," $pairs | default "none" }}
{{- end }}
{{- end }}
