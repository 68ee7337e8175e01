{{/* Environment of a program. It contains no secret: secrets are files, and `<VARIABLE>_FILE` names them. */}}
{{- define "diwan-lib.environment" -}}
{{- $prefix := upper .name -}}
- name: {{ $prefix }}_KEYS_DIR
  value: /run/diwan/keys
- name: {{ $prefix }}_BROKER_URI_FILE
  value: /run/diwan/credentials/broker-uri
- name: {{ $prefix }}_HTTP_LISTEN
  value: 0.0.0.0:8080
{{- if .program.callbacks }}
- name: {{ $prefix }}_CALLBACKS_LISTEN
  value: 0.0.0.0:8081
{{- end }}
- name: {{ $prefix }}_DRAIN_SECONDS
  value: {{ .v.drainSeconds | quote }}
{{- if ne .component "connector" }}
- name: {{ $prefix }}_STORE_URI_FILE
  value: /run/diwan/credentials/store-uri
- name: {{ $prefix }}_STORE_DATABASE
  value: {{ .name }}
- name: {{ $prefix }}_STATE_DIR
  value: /var/lib/diwan
- name: {{ $prefix }}_GRPC_LISTEN
  value: ":50051"
{{- end }}
{{- range $called := .program.calls }}
- name: {{ $prefix }}_{{ upper $called }}_TARGET
  value: {{ ternary (tpl (default "" $.v.identityTarget) $.root) "" (eq $called "identity") | default (printf "dns:///%s-%s-headless:50051" $.root.Release.Name $called) | quote }}
{{- end }}
{{- if eq .name "identity" }}
- name: {{ $prefix }}_SERVICES
  value: {{ join "," .platform.services }}
{{- end }}
{{- range .program.secrets }}
- name: {{ $prefix }}_{{ . | replace "-" "_" | upper }}_FILE
  value: /run/diwan/credentials/{{ . }}
{{- end }}
{{- range $setting, $value := .v.settings }}
- name: {{ $prefix }}_{{ upper $setting }}
  value: {{ ternary (tpl (toString $value) $.root) (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{ include "diwan-lib.telemetry" . }}
{{- end -}}

{{- define "diwan-lib.telemetry" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: >-
    service.version={{ include "diwan-lib.version" . }},service.instance.id=$(POD_NAMESPACE).$(POD_NAME).{{ .name }},k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME),k8s.deployment.name={{ .root.Release.Name }}-{{ .name }}{{ include "diwan-lib.suffix" . }},k8s.container.name={{ .name }}
{{- with .v.global.telemetry.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ tpl . $.root | quote }}
{{- end }}
{{- range $name, $value := .v.global.telemetry.variables }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Suffix of a Deployment's name: the component; none for a connector, which has only one. */}}
{{- define "diwan-lib.suffix" -}}
{{- if ne .component "connector" }}-{{ .component }}{{ end -}}
{{- end -}}

{{- define "diwan-lib.volumes" -}}
- name: keys
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .v.secrets.keys | default (printf "diwan-%s-keys" .name) }}
      - secret:
          name: {{ .v.global.publicKeysSecret }}
          items:
            {{- range concat .platform.readers .v.global.extraReaders }}
            - {key: seal.{{ . }}.jwk, path: public/seal/{{ . }}.jwk}
            {{- end }}
            {{- if eq .name "identity" }}
            {{- range concat .platform.clients .v.global.extraClients }}
            - {key: client.{{ . }}.jwk, path: clients/{{ . }}.jwk}
            {{- end }}
            {{- end }}
- name: credentials
  secret:
    secretName: {{ .v.secrets.credentials | default (printf "diwan-%s-credentials" .name) }}
    defaultMode: 0440
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
- name: state
  emptyDir: {sizeLimit: 16Mi}
{{- end -}}
