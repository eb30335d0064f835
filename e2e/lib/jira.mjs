// What answers as Jira Data Center does where jira-cli asks: its REST API, version 2, as the pages of Atlassian and the code of
// that program have it. It is no Jira: which words a real one wants in its rules is not shown by it.
import { createServer } from 'node:http';
import { once } from 'node:events';

export class Jira {
  // `people`: whose personal access token is whose.
  static async start(people) {
    const jira = new Jira();
    Object.assign(jira, { people: new Map(Object.entries(people)), requests: [] });
    jira.server = createServer((request, response) => {
      const { method, url, headers } = request;
      jira.requests.push({ method, url, headers });
      const { status, body } = jira.answer(method, url, headers);
      response.writeHead(status, { 'content-type': 'application/json;charset=UTF-8' });
      response.end(JSON.stringify(body));
    });
    jira.server.listen(0, '127.0.0.1');
    await once(jira.server, 'listening');
    jira.url = `http://127.0.0.1:${jira.server.address().port}`;
    return jira;
  }

  answer(method, url, headers) {
    const { pathname, searchParams } = new URL(url, this.url);
    const token = headers.authorization?.match(/^Bearer (.+)$/)?.[1];
    const name = this.people.get(token);
    if (!name) return { status: 401, body: { errorMessages: ['You are not authenticated.'], errors: {} } };
    const issue = (key) => ({
      key, fields: {
        summary: `The diary of ${name}`, description: 'Nothing yet.', labels: [], issuetype: { name: 'Task' }, status: { name: 'Open' },
        priority: { name: 'High' }, reporter: { displayName: name }, assignee: { displayName: name },
        created: '2026-11-27T10:00:00.000+0000', updated: '2026-11-27T10:00:00.000+0000', comment: { comments: [], total: 0 },
      },
    });
    const answers = {
      'GET /rest/api/2/myself': { key: `JIRAUSER-${name}`, name, displayName: name, emailAddress: `${name}@example.com`, timeZone: 'UTC' },
      'GET /rest/api/2/serverInfo': { version: '9.12.0', versionNumbers: [9, 12, 0], deploymentType: 'Server' },
      'GET /rest/api/2/project': [{ key: 'DIARY', name: 'Diary', projectTypeKey: 'software' }],
      'GET /rest/agile/1.0/board': { values: [{ id: 1, name: 'Diary board', type: 'scrum' }], isLast: true },
      'GET /rest/api/2/issue/createmeta/DIARY/issuetypes': { values: [{ id: '1', name: 'Task', subtask: false }] },
      'GET /rest/api/2/field': [{ id: 'summary', name: 'Summary', custom: false }],
      'GET /rest/api/2/search': { startAt: 0, maxResults: Number(searchParams.get('maxResults')), total: 1, issues: [issue('DIARY-1')] },
      'GET /rest/api/2/issue/DIARY-1': issue('DIARY-1'),
    };
    const body = answers[`${method} ${pathname}`];
    return body ? { status: 200, body } : { status: 404, body: { errorMessages: [`nothing at ${pathname}`], errors: {} } };
  }

  // What was asked since the last time.
  asked() {
    return this.requests.splice(0);
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
