"""What people are told."""

from flotilla.metrics import Metric
from tests.cdk.templates import Templates


def test_a_pulse_that_falls_silent_calls_people(templates: Templates) -> None:
    alarm = templates.named("AWS::CloudWatch::Alarm", "WatchSilentPulse").properties
    assert alarm["Statistic"] == "SampleCount"
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 300


def test_every_alarm_for_people_reaches_them_and_says_when_it_is_over(templates: Templates) -> None:
    topic = {"Ref": templates.only("AWS::SNS::Topic").logical_id}
    alarms = [one for one in templates.of_type("AWS::CloudWatch::Alarm") if one.stack == "observability"]
    assert len(alarms) >= 10
    for alarm in alarms:
        assert alarm.properties["AlarmActions"] == alarm.properties["OKActions"] == [topic]
        assert alarm.properties["AlarmDescription"]


def test_queues_database_and_api_are_watched(templates: Templates) -> None:
    watched = {alarm.properties.get("MetricName") for alarm in templates.of_type("AWS::CloudWatch::Alarm")}
    assert watched >= {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
        "5xx",
        "FreeStorageSpace",
        "DatabaseConnections",
        Metric.LAUNCHES_STOPPED,
        Metric.OLDEST_WAIT,
        Metric.UNREADABLE_LETTERS,
    }


def test_letters_that_nobody_settles_call_people(templates: Templates) -> None:
    alarms = [templates.named("AWS::CloudWatch::Alarm", f"Watch{name}Dead") for name in ("RunsHigh", "Runs")]
    watched = set()
    for alarm in (one.properties for one in alarms):
        (dimension,) = alarm["Dimensions"]
        assert "DeadLetters" in str(dimension["Value"])
        watched.add(str(dimension["Value"]))
        assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert len(watched) == 2


def test_a_letter_that_cannot_be_read_calls_people(templates: Templates) -> None:
    alarm = templates.named("AWS::CloudWatch::Alarm", "WatchUnreadableLetters").properties
    assert (alarm["Statistic"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("Sum", 0, 1)


def test_every_metric_of_the_fleet_is_on_the_dashboard(templates: Templates) -> None:
    body = str(templates.only("AWS::CloudWatch::Dashboard").properties["DashboardBody"])
    for metric in set(Metric) - {Metric.UNREADABLE_LETTERS}:
        assert f'"Flotilla","{metric}"' in body


def test_all_logs_end_some_day(templates: Templates) -> None:
    logs = templates.of_type("AWS::Logs::LogGroup")
    assert len(logs) >= 6
    assert {log.properties["RetentionInDays"] for log in logs} == {30}
