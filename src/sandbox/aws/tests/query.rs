//! The Query protocol: how forms are read, what XML comes of answers, and that JSON finds the same CloudWatch.

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::super::query::{self, Form};
use super::super::wire::Service;
use super::{Stage, client};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const JSON: &str = "application/x-amz-json-1.0";

fn input(form: &str) -> Value {
    Form::parse(form.as_bytes()).input.unwrap()
}

#[test]
fn dotted_names_become_objects_and_lists_with_their_types() {
    let form = "Action=GetMetricData&Version=2010-08-01&StartTime=2026-03-02T09%3A00%3A00.5Z&ScanBy=Timestamp+Ascending\
                &MetricDataQueries.member.1.Id=a&MetricDataQueries.member.1.ReturnData=false\
                &MetricDataQueries.member.1.MetricStat.Period=60\
                &MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Name=RuleName\
                &MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Value=60";
    let parsed = Form::parse(form.as_bytes());
    assert_eq!((parsed.action.as_str(), parsed.service()), ("GetMetricData", Some(Service::CloudWatch)));
    let metric = json!({"Dimensions": [{"Name": "RuleName", "Value": "60"}]});
    assert_eq!(
        parsed.input.unwrap(),
        json!({
            "StartTime": 1_772_442_000.5, "ScanBy": "Timestamp Ascending",
            "MetricDataQueries": [{"Id": "a", "ReturnData": false, "MetricStat": {"Period": 60, "Metric": metric}}],
        })
    );
}

#[test]
fn a_list_is_in_the_order_of_its_numbers() {
    let form = "AlarmNames.member.10=ten&AlarmNames.member.9=nine&AlarmNames.member.01=one";
    assert_eq!(input(form), json!({"AlarmNames": ["one", "nine", "ten"]}));
    assert_eq!(input("AlarmNames="), json!({"AlarmNames": ""}), "the way in which an empty list is sent");
}

#[test]
fn contradicting_and_bottomless_forms_are_refused() {
    for form in ["A=1&A=2", "A=1&A.B=2", "A.B=2&A=1", &format!("{}=1", vec!["A"; 100_000].join("."))] {
        let refused = Form::parse(form.as_bytes()).input.unwrap_err();
        assert_eq!((refused.code, refused.status), ("MalformedInput", 400));
    }
}

#[test]
fn answers_are_told_in_xml() {
    let value = json!({
        "Text": "a < b & c", "On": true, "Whole": 2, "Missing": null, "None": [],
        "Timestamps": [1_772_442_000, 1_772_442_000.25], "List": [{"Inner": 1.5}],
    });
    assert_eq!(
        query::answer(Some(Service::CloudWatch), "Tell", &value, "id"),
        "<TellResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><TellResult>\
         <List><member><Inner>1.5</Inner></member></List><None></None><On>true</On><Text>a &lt; b &amp; c</Text>\
         <Timestamps><member>2026-03-02T09:00:00Z</member><member>2026-03-02T09:00:00.25Z</member></Timestamps>\
         <Whole>2</Whole></TellResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></TellResponse>"
    );
}

async fn post(stage: &Stage, kind: &str, target: &str, body: String) -> Response {
    let request = Request::post("/").header("content-type", kind);
    let request = if target.is_empty() { request } else { request.header("x-amz-target", target) };
    stage.world.router().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
}

async fn body_of(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn the_call_log_tells_the_same_of_a_form_as_of_json() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    cloudwatch.describe_alarms().alarm_names("errors-dev").max_records(5).send().await.unwrap();
    let asked = json!({"AlarmNames": ["errors-dev"], "MaxRecords": 5});
    let target = "GraniteServiceVersion20100801.DescribeAlarms";
    let answer = post(&stage, JSON, target, asked.to_string()).await;
    assert_eq!(answer.headers()["content-type"], JSON);
    let answer: Value = serde_json::from_str(&body_of(answer).await).unwrap();
    assert_eq!(answer["MetricAlarms"].as_array().unwrap().len(), 1);
    let alarm = &answer["MetricAlarms"][0];
    assert_eq!(alarm["AlarmName"], "errors-dev");
    assert!(alarm["StateUpdatedTimestamp"].is_number(), "a time is seconds in JSON");
    let calls = stage.world.calls();
    let logged: Vec<_> = calls.iter().map(|call| (call.service.as_str(), call.operation.as_str())).collect();
    assert_eq!(logged, [("cloudwatch", "DescribeAlarms"); 2]);
    assert!(calls.iter().all(|call| call.request == asked), "{calls:#?}");
}

#[tokio::test]
async fn an_error_is_written_as_the_request_was() {
    let stage = Stage::new().await;
    assert!(stage.world.set_fault("aws.metrics-forbidden", true));
    let refused = post(&stage, FORM, "", "Action=GetMetricData&Version=2010-08-01".to_owned()).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(refused.headers()["content-type"], "text/xml");
    let body = body_of(refused).await;
    assert!(body.starts_with("<ErrorResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">"), "{body}");
    assert!(body.contains("<Error><Code>AccessDenied</Code>"), "{body}");
    assert!(body.contains("<Type>Sender</Type></Error><RequestId>"), "{body}");
    let refused = post(&stage, JSON, "GraniteServiceVersion20100801.GetMetricData", String::new()).await;
    assert_eq!(refused.headers()["x-amzn-query-error"], "AccessDenied;Sender");
    let body: Value = serde_json::from_str(&body_of(refused).await).unwrap();
    assert_eq!(body["__type"], "com.amazonaws.cloudwatch#AccessDeniedException");
}

#[tokio::test]
async fn what_nobody_here_knows_is_an_invalid_action() {
    let stage = Stage::new().await;
    for form in
        ["Action=PutDashboard&Version=2010-08-01", "Action=CreateTopic&Version=2010-03-31", "Version=2010-08-01"]
    {
        let refused = post(&stage, FORM, "", form.to_owned()).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        let body = body_of(refused).await;
        assert!(body.contains("<Code>InvalidAction</Code>"), "{body}");
    }
    assert_eq!(stage.world.unknown_calls().len(), 3);
}
