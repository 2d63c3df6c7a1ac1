// The emulated AWS as it is now, and the switches that break it.
import { clockTime, relative } from "./dates.js";
import { usePage } from "./page.js";
import { setFault } from "./sandbox.js";

const RULE_STATES = { ENABLED: "on", DISABLED: "off" };
const ALARM_STATES = { OK: "on", ALARM: "bad", INSUFFICIENT_DATA: "off" };
const count = (value) => (value === null || value === undefined ? "–" : value);

function Dot({ kind }) {
  return <span className={`dot ${kind}`} aria-hidden="true" />;
}

/** A number that deserves a look when it is not zero. */
function Bad({ value }) {
  return <span className={value > 0 ? "number bad" : "number"}>{count(value)}</span>;
}

const words = (state) => state.toLowerCase().replaceAll("_", " ");

function Environment({ environment }) {
  const { function: lambda, table, version } = environment;
  const notices = environment.published ?? [];
  const alarms = environment.alarms ?? [];
  const ringing = alarms.filter((alarm) => alarm.state === "ALARM");
  return (
    <section className="environment" aria-label={`Environment ${environment.name}`} data-testid={`env-${environment.name}`}>
      <header>
        <h3>{environment.name}</h3>
        <span className="account">{environment.account}</span>
        {ringing.length > 0 && <span className="pill bad">{ringing.length} in alarm</span>}
      </header>
      <table className="world-table">
        <thead>
          <tr><th scope="col">Rule</th><th scope="col" className="right" title="Invocations in 5 minutes">Inv.</th><th scope="col" className="right" title="Failed invocations in 5 minutes">Failed</th></tr>
        </thead>
        <tbody>
          {environment.rules.map((rule) => (
            <tr key={rule.name} title={rule.name} data-testid={`rule-${environment.name}-${rule.short}`} data-state={rule.state}>
              <th scope="row">
                <Dot kind={RULE_STATES[rule.state] ?? "bad"} />
                <span className="rule-name">{rule.short}</span>
                <span className={`rule-state ${RULE_STATES[rule.state] ?? "bad"}`}>{words(rule.state)}</span>
              </th>
              <td className="number">{count(rule.invocations_5m)}</td>
              <td><Bad value={rule.failed_5m} /></td>
            </tr>
          ))}
        </tbody>
      </table>
      <dl className="facts">
        {environment.dlqs.map((queue) => (
          <div key={queue.name} title={`Dead-letter queue ${queue.name}`}>
            <dt>{queue.name}</dt>
            <dd><Bad value={queue.visible} /> visible · {count(queue.in_flight)} in flight · {count(queue.delayed)} delayed</dd>
          </div>
        ))}
        {lambda && (
          <div title={lambda.name}>
            <dt>Function</dt>
            <dd>{count(lambda.invocations_5m)} invocations · <Bad value={lambda.errors_5m} /> errors · <Bad value={lambda.throttles_5m} /> throttles</dd>
          </div>
        )}
        {version && (
          <div title={`CodeSha256 ${version.artefact}`} data-testid={`version-${environment.name}`}>
            <dt>Version</dt>
            <dd>{version.label ?? "no tag"} · deployed {clockTime(Date.parse(version.since))}</dd>
          </div>
        )}
        {table && (
          <div title={table.name}>
            <dt>Table</dt>
            <dd>TTL {typeof table.ttl === "boolean" ? (table.ttl ? "on" : "off") : String(table.ttl ?? "–").toLowerCase()}</dd>
          </div>
        )}
      </dl>
      {alarms.length > 0 && (
        <ul className="alarms" aria-label="Alarms">
          {alarms.map((alarm) => (
            <li key={alarm.name} title={alarm.since ? `since ${clockTime(Date.parse(alarm.since))}` : undefined}>
              <Dot kind={ALARM_STATES[alarm.state] ?? "off"} />
              <span className="alarm-name">{alarm.name}</span>
              <span className={`alarm-state ${ALARM_STATES[alarm.state] ?? "off"}`}>{alarm.state === "OK" ? "OK" : words(alarm.state)}{alarm.state === "ALARM" && alarm.since && `, ${relative(Date.parse(alarm.since))}`}</span>
            </li>
          ))}
        </ul>
      )}
      {notices.length > 0 && (
        <details className="notices" data-testid={`notices-${environment.name}`}>
          <summary>{notices.length === 1 ? "1 e-mail" : `${notices.length} e-mails`} by SNS</summary>
          {notices.map((notice) => (
            <article key={notice.id} title={`${notice.topic}, MessageId ${notice.id}`}>
              <h4>{clockTime(Date.parse(notice.at))} {notice.subject ?? "no subject"}</h4>
              <pre>{notice.body}</pre>
            </article>
          ))}
        </details>
      )}
    </section>
  );
}

function Fault({ fault }) {
  const page = usePage();
  const set = async (on) => {
    const answer = await setFault(fault.id, on);
    if (!answer.ok) page.complain(`The fault could not be set: ${answer.error ?? "unknown error"}`);
  };
  if (fault.momentary) {
    return <button type="button" className="btn small" data-testid={`fault-${fault.id}`} onClick={() => set(true)}>{fault.label}</button>;
  }
  return (
    <button type="button" className="fault" role="switch" aria-checked={fault.active} data-testid={`fault-${fault.id}`} onClick={() => set(!fault.active)}>
      <span className="switch" aria-hidden="true" />
      <span>{fault.label}</span>
    </button>
  );
}

export function World() {
  const { world, faults } = usePage();
  const groups = [...new Set(faults.map((fault) => fault.group))];
  const broken = faults.filter((fault) => fault.active && !fault.momentary).length;
  return (
    <div className="world" data-testid="world">
      {world.environments.map((environment) => <Environment key={environment.name} environment={environment} />)}
      <section className="faults" aria-label="Faults">
        <h3>Break things {broken > 0 && <span className="pill bad">{broken} active</span>}</h3>
        {groups.map((group) => {
          const members = faults.filter((fault) => fault.group === group);
          const momentary = members.filter((fault) => fault.momentary);
          return (
            <fieldset key={group}>
              <legend>{group}</legend>
              {members.filter((fault) => !fault.momentary).map((fault) => <Fault key={fault.id} fault={fault} />)}
              {momentary.length > 0 && <div className="momentary">{momentary.map((fault) => <Fault key={fault.id} fault={fault} />)}</div>}
            </fieldset>
          );
        })}
      </section>
    </div>
  );
}
