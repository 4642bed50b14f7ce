{{- define "homeostat.labels" -}}
app.kubernetes.io/name: homeostat
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "homeostat.selector" -}}
app.kubernetes.io/name: homeostat
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "homeostat.image" -}}
{{- $image := index .root.Values.images .name -}}
image: {{ printf "%s:%s" $image.repository $image.tag | quote }}
imagePullPolicy: {{ .root.Values.imagePullPolicy }}
{{- end }}

{{- define "homeostat.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.runAsUser }}
  runAsGroup: {{ .Values.runAsUser }}
  fsGroup: {{ .Values.runAsUser }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "homeostat.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Addresses of the parts: embedded ones by their Service, others as given. */}}
{{- define "homeostat.s3Endpoint" -}}
{{- if .Values.s3.embedded }}http://homeostat-s3.{{ .Release.Namespace }}.svc:8333{{ else }}{{ required "s3.endpoint: give the address of your object store, or set s3.embedded to true" .Values.s3.endpoint }}{{ end -}}
{{- end }}
{{- define "homeostat.mlflowUrl" -}}
{{- if .Values.mlflow.embedded }}http://homeostat-mlflow.{{ .Release.Namespace }}.svc:5000{{ else }}{{ required "mlflow.url: give the address of your MLflow server, or set mlflow.embedded to true" .Values.mlflow.url }}{{ end -}}
{{- end }}
{{- define "homeostat.prometheusUrl" -}}
{{- if .Values.prometheus.embedded }}http://homeostat-prometheus.{{ .Release.Namespace }}.svc:9090{{ else }}{{ required "prometheus.url: give the address of your Prometheus, or set prometheus.embedded to true" .Values.prometheus.url }}{{ end -}}
{{- end }}

{{/* What is reached without a proxy: this cluster, and what the values name. */}}
{{- define "homeostat.noProxy" -}}
{{- if or .Values.proxy.http .Values.proxy.https -}}
{{- $hosts := list "localhost" "127.0.0.1" ".svc" ".svc.cluster.local" -}}
{{- if .Values.kubeflow.url }}{{ $hosts = append $hosts (printf ".%s" .Values.kubeflow.namespace) }}{{ end -}}
{{- with .Values.proxy.noProxy }}{{ $hosts = append $hosts . }}{{ end -}}
{{- join "," $hosts -}}
{{- end -}}
{{- end }}

{{/* A credential: as given, else as installed before, else made up now. */}}
{{- define "homeostat.credential" -}}
{{- $given := .given -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace "homeostat-credentials" -}}
{{- if $given -}}{{ $given }}
{{- else if and $found (hasKey $found.data .key) -}}{{ index $found.data .key | b64dec }}
{{- else -}}{{ randAlphaNum 24 }}
{{- end -}}
{{- end }}

{{/* Pods start anew when the addresses or credentials that they read at their start were changed in the values. */}}
{{- define "homeostat.checksum" -}}
{{- list .Values.proxy .Values.s3 .Values.valkey .Values.postgres .Values.prometheus.url .Values.mlflow.url | toJson | sha256sum | trunc 16 -}}
{{- end }}

{{/* A Service that can be given a node port. */}}
{{- define "homeostat.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: homeostat-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "homeostat.labels" . | nindent 4 }}
spec:
  type: {{ dig "type" "ClusterIP" (.service | default dict) }}
  selector: {{- include "homeostat.selector" . | nindent 4 }}
  ports:
    - name: http
      port: {{ .port }}
      targetPort: http
      {{- with dig "nodePort" nil (.service | default dict) }}
      nodePort: {{ . }}
      {{- end }}
{{- end }}

{{- define "homeostat.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: homeostat-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "homeostat.labels" . | nindent 4 }}
  annotations:
    # Data stay when the release is uninstalled; delete the claim to be rid of them.
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  {{- with .persistence.storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ .persistence.size }}
{{- end }}
