{{/* A Deployment of one component. Further keys: arguments, replicas, resources. */}}
{{- define "diwan-lib.deployment" -}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .root.Release.Name }}-{{ .name }}{{ include "diwan-lib.suffix" . }}
  labels: {{- include "diwan-lib.labels" . | nindent 4 }}
spec:
  {{- /* Without the key, whatever scales the Deployment owns the number; Helm would fail on it, or reset it. */}}
  {{- if not (kindIs "invalid" .replicas) }}
  replicas: {{ .replicas }}
  {{- end }}
  selector:
    matchLabels: {{- include "diwan-lib.selector" . | nindent 6 }}
  strategy:
    # An old pod stops only when a new one is ready.
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  template:
    metadata:
      {{- /* The chart's own labels win: selectors and network policies depend on them. */}}
      labels: {{- merge (fromYaml (include "diwan-lib.labels" .)) .v.podLabels | toYaml | nindent 8 }}
      annotations: {{- merge (deepCopy .v.podAnnotations) (fromYaml (include "diwan-lib.annotations" .)) | toYaml | nindent 8 }}
    spec: {{- include "diwan-lib.pod" . | nindent 6 }}
      {{- $pause := ternary 0 (int .v.preStopSeconds) (eq .component "worker") }}
      # Time for callers to move to other pods, for the drain, and for the export of the last spans.
      terminationGracePeriodSeconds: {{ add $pause .v.drainSeconds 10 }}
      {{- if .v.topologySpread }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "diwan-lib.selector" $ | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "diwan-lib.image" (merge (dict "image" (dict "digest" .v.image.digest "repository" (default (print "diwan/" .program.image) .v.image.repository))) .) | quote }}
          imagePullPolicy: {{ .v.global.image.pullPolicy }}
          args: {{- toYaml .arguments | nindent 12 }}
          env: {{- include "diwan-lib.environment" . | nindent 12 }}
          ports:
            {{- if ne .component "connector" }}
            - {name: grpc, containerPort: 50051, protocol: TCP}
            {{- end }}
            - {name: http, containerPort: 8080, protocol: TCP}
            {{- if .program.callbacks }}
            - {name: callbacks, containerPort: 8081, protocol: TCP}
            {{- end }}
          {{- include "diwan-lib.probes" . | nindent 10 }}
          {{- if $pause }}
          lifecycle:
            # Callers move to other pods before this one stops.
            preStop: {sleep: {seconds: {{ $pause }}}}
          {{- end }}
          resources: {{- toYaml .resources | nindent 12 }}
          securityContext: {{- include "diwan-lib.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - {name: keys, mountPath: /run/diwan/keys, readOnly: true}
            - {name: credentials, mountPath: /run/diwan/credentials, readOnly: true}
            - {name: tmp, mountPath: /tmp}
            - {name: state, mountPath: /var/lib/diwan}
      volumes: {{- include "diwan-lib.volumes" . | nindent 8 }}
{{- end -}}

{{/* The chart's annotations of pods; `podAnnotations` may replace each of them. */}}
{{- define "diwan-lib.annotations" -}}
kubectl.kubernetes.io/default-container: {{ .name }}
{{- if .v.global.metrics.annotations }}
prometheus.io/scrape: "true"
prometheus.io/port: "8080"
prometheus.io/path: /metrics
{{- end }}
{{- end -}}

{{/*
The liveness probe checks only whether the process answers, not its store or broker: a restart would repair neither.
A process that hangs does not react to SIGTERM either, so it is killed after a short grace period of the probe's own.
At start a process waits for its store for a minute and then exits; the start-up probe allows more time than that.
*/}}
{{- define "diwan-lib.probes" -}}
{{- if ne .component "connector" -}}
startupProbe:
  grpc: {port: 50051, service: live}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
readinessProbe:
  grpc: {port: 50051}
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 3
livenessProbe:
  grpc: {port: 50051, service: live}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
  terminationGracePeriodSeconds: 5
{{- else -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 3
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
  terminationGracePeriodSeconds: 5
{{- end -}}
{{- end -}}
