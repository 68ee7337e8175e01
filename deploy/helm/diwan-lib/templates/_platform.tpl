{{/* Rendered from deploy/platform.yaml by `python scripts/render_platform.py`; do not edit. */}}
{{- define "diwan-lib.platform" -}}
programs:
  identity: {package: identity, image: service, calls: [], secrets: [], callbacks: false}
  payments: {package: payments, image: service, calls: [identity], secrets: [], callbacks: false}
  notary: {package: notary, image: notary, calls: [identity], secrets: [], callbacks: false}
  notification: {package: notification, image: service, calls: [identity], secrets: [], callbacks: false}
  sms: {package: notification.connectors.sms, image: connector, calls: [], secrets: [smsc-password], callbacks: false}
  acquirer: {package: payments.connectors.acquirer, image: connector, calls: [], secrets: [api-key], callbacks: true}
services: [identity, payments, notary, notification]
readers: [identity, payments, notary, notification, sms, acquirer]
clients: [identity, payments, notary, notification, operator]
edges:
  - {from: [identity, payments, notary, notification, sms, acquirer], to: broker}
  - {from: [identity, payments, notary, notification], to: store}
  - {from: [payments, notary, notification], to: identity, port: grpc}
  - {from: [sms], to: smsc}
  - {from: [acquirer], to: bank}
  - {from: [callbacks], to: acquirer, port: callbacks}
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
  - {from: [bank], to: acquirer, port: callbacks, trial: true}
  - {from: [bank], to: dns, trial: true}
{{- end -}}
