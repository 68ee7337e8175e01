{{/*
Templates of this chart take a dictionary:
  root        the including chart's own context
  v           its values, laid over the defaults
  name        of the program: `identity`
  component   which of its parts: api, worker, all, connector
  platform    the platform table (_platform.tpl), for programs of it
  program     its entry there
*/}}

{{/* Merges the values over the defaults of the chart's kinds. {root, kinds} */}}
{{- define "diwan-lib.values" -}}
{{- $defaults := index .root.Values "diwan-lib" "defaults" -}}
{{- $v := dict "global" (deepCopy $defaults.global) -}}
{{- range .kinds }}{{ $v = mustMergeOverwrite $v (deepCopy (get $defaults .)) }}{{ end -}}
{{- toJson (mustMergeOverwrite $v (deepCopy (omit .root.Values "diwan-lib"))) -}}
{{- end -}}

{{- define "diwan-lib.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "diwan-lib.labels" -}}
{{ include "diwan-lib.selector" . }}
app.kubernetes.io/part-of: diwan
app.kubernetes.io/version: {{ include "diwan-lib.version" . | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "diwan-lib.version" -}}
{{ .v.global.image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{/* If a digest is set, it selects the image, and the tag is informational. {root, v, image} */}}
{{- define "diwan-lib.image" -}}
{{- with .v.global.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .image.repository }}:{{ include "diwan-lib.version" . }}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* The program's ServiceAccount; no pod mounts its token. */}}
{{- define "diwan-lib.serviceAccount" -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels: {{- include "diwan-lib.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end -}}

{{/* The settings of all pods; they comply with the Pod Security Standard `restricted`. */}}
{{- define "diwan-lib.pod" -}}
serviceAccountName: {{ .root.Release.Name }}-{{ .name }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .v.global.image.pullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}{{ end }}
{{- end }}
{{- with .v.global.podDefaults.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .v.global.podDefaults.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .v.global.podDefaults.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "diwan-lib.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* At most `maxUnavailable` pods of a component are evicted at the same time. */}}
{{- define "diwan-lib.disruption" -}}
{{- if .v.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}-{{ .component }}
  labels: {{- include "diwan-lib.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .v.podDisruptionBudget.maxUnavailable }}
  # An unready pod does no work and must not block the drain of a node.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "diwan-lib.selector" . | nindent 6 }}
{{- end }}
{{- end -}}
