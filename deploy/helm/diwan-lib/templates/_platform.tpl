{{/* Rendered from deploy/platform.yaml by `python scripts/render_platform.py`; do not edit. */}}
{{- define "diwan-lib.platform" -}}
programs:
  identity: {package: identity, image: service, calls: [], secrets: []}
  payments: {package: payments, image: service, calls: [identity], secrets: []}
  notary: {package: notary, image: notary, calls: [identity], secrets: []}
  notification: {package: notification, image: service, calls: [identity], secrets: []}
  sms: {package: notification.connectors.sms, image: connector, calls: [], secrets: [smsc-password]}
  acquirer: {package: payments.connectors.acquirer, image: connector, calls: [], secrets: [api-key]}
services: [identity, payments, notary, notification]
readers: [identity, payments, notary, notification, sms, acquirer]
clients: [identity, payments, notary, notification, operator]
edges:
  - {from: [identity, payments, notary, notification, sms, acquirer], to: broker}
  - {from: [identity, payments, notary, notification], to: store}
  - {from: [payments, notary, notification], to: identity, port: grpc}
  - {from: [sms], to: smsc}
  - {from: [acquirer], to: bank}
  - {from: [callbacks], to: acquirer, port: http}
  - {from: [callers], to: identity, port: grpc}
  - {from: [callers], to: payments, port: grpc}
  - {from: [callers], to: notary, port: grpc}
  - {from: [callers], to: notification, port: grpc}
  - {from: [monitoring], to: identity, port: http}
  - {from: [monitoring], to: payments, port: http}
  - {from: [monitoring], to: notary, port: http}
  - {from: [monitoring], to: notification, port: http}
  - {from: [monitoring], to: sms, port: http}
  - {from: [monitoring], to: acquirer, port: http}
  - {from: [identity, payments, notary, notification, sms, acquirer], to: collector}
  - {from: [identity, payments, notary, notification, sms, acquirer], to: dns}
  - {from: [bank], to: acquirer, port: http, trial: true}
  - {from: [bank], to: dns, trial: true}
{{- end -}}
