"""How long CloudWatch can keep logs, by days."""

from collections.abc import Mapping

from aws_cdk.aws_logs import RetentionDays

KEPT_FOR: Mapping[int, RetentionDays] = {
    7: RetentionDays.ONE_WEEK,
    14: RetentionDays.TWO_WEEKS,
    30: RetentionDays.ONE_MONTH,
    60: RetentionDays.TWO_MONTHS,
    90: RetentionDays.THREE_MONTHS,
    365: RetentionDays.ONE_YEAR,
}
