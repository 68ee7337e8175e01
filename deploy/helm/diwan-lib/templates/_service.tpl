{{/* All manifests of a service; its chart includes only this template. */}}
{{- define "diwan-lib.service" -}}
{{- $v := fromJson (include "diwan-lib.values" (dict "root" . "kinds" (list "program" "service"))) -}}
{{- $name := .Chart.Name -}}
{{- $platform := fromYaml (include "diwan-lib.platform" .) -}}
{{- $program := get $platform.programs $name -}}
{{- $whole := dict "root" . "v" $v "name" $name "platform" $platform "program" $program -}}
{{ include "diwan-lib.serviceAccount" $whole }}
{{- if $v.split }}
{{- $api := merge (dict "component" "api" "replicas" $v.api.replicas "resources" $v.api.resources "arguments" (list $program.package "--only" "api")) $whole }}
{{- $worker := merge (dict "component" "worker" "replicas" $v.worker.replicas "resources" $v.worker.resources "arguments" (list $program.package "--only" "policies" "--only" "relay")) $whole }}
{{- range list $api $worker }}
{{ include "diwan-lib.deployment" . }}
{{ include "diwan-lib.disruption" . }}
{{- end }}
{{ include "diwan-lib.ports" $api }}
{{- else }}
{{- $all := merge (dict "component" "all" "replicas" $v.api.replicas "resources" $v.api.resources "arguments" (list $program.package)) $whole }}
{{ include "diwan-lib.deployment" $all }}
{{ include "diwan-lib.disruption" $all }}
{{ include "diwan-lib.ports" $all }}
{{- end }}
{{ include "diwan-lib.networkPolicy" (merge (dict "node" $name) $whole) }}
{{- end -}}

{{/* All of a connector: its chart includes this and nothing else. */}}
{{- define "diwan-lib.connector" -}}
{{- $v := fromJson (include "diwan-lib.values" (dict "root" . "kinds" (list "program" "connector"))) -}}
{{- $name := .Chart.Name -}}
{{- $platform := fromYaml (include "diwan-lib.platform" .) -}}
{{- $program := get $platform.programs $name -}}
{{- $whole := dict "root" . "v" $v "name" $name "platform" $platform "program" $program -}}
{{- $connector := merge (dict "component" "connector" "replicas" $v.replicas "resources" $v.resources "arguments" (list $program.package)) $whole }}
{{ include "diwan-lib.serviceAccount" $whole }}
{{ include "diwan-lib.deployment" $connector }}
{{ include "diwan-lib.disruption" $connector }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}-{{ $name }}
  labels: {{- include "diwan-lib.labels" $whole | nindent 4 }}
spec:
  selector: {{- include "diwan-lib.selector" $connector | nindent 4 }}
  ports:
    - {name: http, port: 8080, targetPort: http, protocol: TCP}
    {{- if $program.callbacks }}
    - {name: callbacks, port: 8081, targetPort: callbacks, protocol: TCP}
    {{- end }}
{{ include "diwan-lib.networkPolicy" (merge (dict "node" $name) $whole) }}
{{- end -}}

{{/*
The Kubernetes Services of a program: one headless, for clients that balance (a gRPC connection to a cluster address
stays with one pod), and one with a cluster address, for proxies, gateways and manual use.
*/}}
{{- define "diwan-lib.ports" -}}
{{- range $suffix := list "-headless" "" }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $.root.Release.Name }}-{{ $.name }}{{ $suffix }}
  labels: {{- include "diwan-lib.labels" $ | nindent 4 }}
spec:
  {{- if $suffix }}
  clusterIP: None
  {{- end }}
  selector: {{- include "diwan-lib.selector" $ | nindent 4 }}
  ports:
    - {name: grpc, port: 50051, targetPort: grpc, protocol: TCP, appProtocol: kubernetes.io/h2c}
{{- end }}
{{- end -}}
