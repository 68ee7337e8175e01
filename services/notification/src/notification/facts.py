"""The model's facts and the messages that notification publishes for them: one table."""

from chassis.mapping import FactTable, fact_mapping
from diwan.notification.v1 import sms_pb2 as sms

from notification import model

MESSAGES: FactTable = {model.SmsRequested: sms.SubmitSms}
messages = fact_mapping(MESSAGES)
