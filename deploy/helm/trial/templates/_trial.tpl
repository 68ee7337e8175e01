{{- define "trial.values" -}}
{{- include "diwan-lib.values" (dict "root" . "kinds" list) -}}
{{- end -}}

{{/* Shared parts of StatefulSets and Services with one member. {root, v, name, node, ports, image, args, ...} */}}
{{- define "trial.service" -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}
  labels: {{- include "diwan-lib.labels" . | nindent 4 }}
spec:
  selector: {{- include "diwan-lib.selector" . | nindent 4 }}
  ports:
    {{- range $port, $number := .ports }}
    - {name: {{ $port }}, port: {{ $number }}, targetPort: {{ $port }}, protocol: TCP}
    {{- end }}
{{- end -}}

{{- define "trial.container" -}}
- name: {{ .name }}
  image: {{ include "diwan-lib.image" . | quote }}
  imagePullPolicy: {{ .v.global.image.pullPolicy }}
  {{- with .args }}
  args: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .env }}
  env: {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range $port, $number := .ports }}
    - {name: {{ $port }}, containerPort: {{ $number }}, protocol: TCP}
    {{- end }}
  startupProbe:
    tcpSocket: {port: {{ .probe }}}
    periodSeconds: 1
    failureThreshold: 120
  readinessProbe:
    tcpSocket: {port: {{ .probe }}}
    periodSeconds: 3
  livenessProbe:
    tcpSocket: {port: {{ .probe }}}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  resources: {{- toYaml .resources | nindent 4 }}
  securityContext: {{- include "diwan-lib.containerSecurity" . | nindent 4 }}
  volumeMounts: {{- toYaml .mounts | nindent 4 }}
{{- end -}}

{{- define "trial.claims" -}}
# The volume claim is deleted with the release, not with the pod.
persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .v.persistence.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests: {storage: {{ .v.persistence.size }}}
{{- end -}}
