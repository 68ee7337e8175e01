{{/*
Who may open a connection to whom; what is not listed is refused. The edges of the programs are rendered from
deploy/platform.yaml (_platform.tpl); below stand those of a trial's sandbox.
  from, to   programs, or what lies outside them: broker, store, collector, dns, what the table lists as `outside`;
             callers (of the API), monitoring
  port       grpc, http or callbacks of our programs; the port of what lies outside follows from its name
  trial      the line holds only for what the chart `trial` brings
*/}}
{{- define "diwan-lib.edges" -}}
{{ toYaml (fromYaml (include "diwan-lib.platform" .)).edges }}
- {from: [callers], to: broker, trial: true}
- {from: [callers], to: smsc, port: http, trial: true}
- {from: [callers], to: collector, trial: true}
{{- end -}}

{{/* The peers at one end of an edge, as a list for `from` or `to`. Empty: any destination, but no source. {root, v, who} */}}
{{- define "diwan-lib.peers" -}}
{{- if hasKey (fromYaml (include "diwan-lib.platform" .)).programs .who -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .who }}
      app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- else -}}
{{- with get .v.global.networkPolicy.peers .who }}{{ tpl (toYaml .) $.root }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The port at the destination of an edge. {v, to, port} */}}
{{- define "diwan-lib.edgePorts" -}}
{{- if eq .to "dns" -}}
- {port: {{ .v.global.networkPolicy.ports.dns }}, protocol: UDP}
- {port: {{ .v.global.networkPolicy.ports.dns }}, protocol: TCP}
{{- else if eq (default "" .port) "grpc" -}}
- {port: 50051, protocol: TCP}
{{- else if eq (default "" .port) "http" -}}
- {port: 8080, protocol: TCP}
{{- else if eq (default "" .port) "callbacks" -}}
- {port: 8081, protocol: TCP}
{{- else -}}
- {port: {{ get .v.global.networkPolicy.ports .to }}, protocol: TCP}
{{- end -}}
{{- end -}}

{{/*
The NetworkPolicy of one node of the table. {root, v, node, name, readers}
  node      its name in the table
  name      the name of its pods
  readers   the permitted sources among `from`; all if not set (a store permits only its own service)
*/}}
{{- define "diwan-lib.networkPolicy" -}}
{{- if .v.global.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels: {{- include "diwan-lib.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "diwan-lib.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- $ingress := list }}{{ $egress := list }}
  {{- range $edge := fromYamlArray (include "diwan-lib.edges" .) }}
    {{- $ports := fromYamlArray (include "diwan-lib.edgePorts" (dict "v" $.v "to" $edge.to "port" $edge.port)) }}
    {{- if and (eq $edge.to $.node) (or (not $edge.trial) $.trial) }}
      {{- range $from := $edge.from }}
        {{- if or (not $.readers) (has $from $.readers) }}
          {{- $peers := fromYamlArray (include "diwan-lib.peers" (dict "root" $.root "v" $.v "who" $from)) }}
          {{- if $peers }}{{ $ingress = append $ingress (dict "from" $peers "ports" $ports) }}{{ end }}
        {{- end }}
      {{- end }}
    {{- end }}
    {{- if has $.node $edge.from }}
      {{- $peers := fromYamlArray (include "diwan-lib.peers" (dict "root" $.root "v" $.v "who" $edge.to)) }}
      {{- $wanted := or (ne $edge.to "collector") $.v.global.telemetry.endpoint }}
      {{- if and $wanted (or (not $edge.trial) $.trial) }}
        {{- $egress = append $egress (ternary (dict "to" $peers "ports" $ports) (dict "ports" $ports) (gt (len $peers) 0)) }}
      {{- end }}
    {{- end }}
  {{- end }}
  ingress: {{- toYaml $ingress | nindent 4 }}
  egress: {{- toYaml $egress | nindent 4 }}
{{- end }}
{{- end -}}
