/**
 * Tables, shapes with subqueries on them, and what may happen to both: every way in and out there
 * is, one after the other, and at random.
 */

export const SCHEMA = `
  CREATE TABLE teams (id int PRIMARY KEY, is_active bool NOT NULL);
  CREATE TABLE projects (id int PRIMARY KEY, owner text NOT NULL, team int);
  CREATE TABLE grants (person text, project int, level int, PRIMARY KEY (person, project, level));
  CREATE TABLE issues (
    id int PRIMARY KEY, project int, reviewer int, level int, title text, done bool NOT NULL
  );`;

/** One transaction: everything is as at the beginning. */
export const BEGINNING = `
  DELETE FROM issues; DELETE FROM grants; DELETE FROM projects; DELETE FROM teams;
  INSERT INTO teams VALUES (1, true), (2, false);
  INSERT INTO projects VALUES (1, 'ann', 1), (2, 'bob', 1), (3, 'ann', 2), (4, 'cyd', 2);
  INSERT INTO grants VALUES ('ann', 1, 1), ('bob', 1, 2), ('ann', 2, 2), ('bob', 3, 1);
  INSERT INTO issues
  SELECT n, n % 4 + 1, n % 3 + 1, n % 2 + 1, 'issue ' || n, n % 5 = 0
  FROM generate_series(1, 12) n`;

const OF_ANN = "SELECT id FROM projects WHERE owner = 'ann'";
const OF_BOB = "SELECT id FROM projects WHERE owner = 'bob'";

/** Shapes of issues. */
export const CLAUSES = {
  in: `project IN (${OF_ANN})`,
  notIn: `project NOT IN (${OF_ANN})`,
  either: `project IN (${OF_ANN}) OR reviewer IN (${OF_BOB})`,
  both: `project IN (${OF_ANN}) AND reviewer NOT IN (${OF_BOB})`,
  mixed: `NOT done AND (level = 1 OR project IN (${OF_ANN}))`,
  nested: `project IN (SELECT id FROM projects
           WHERE team IN (SELECT id FROM teams WHERE is_active))`,
  rowWise: "(project, level) IN (SELECT project, level FROM grants WHERE person = 'ann')",
  counted: "project IN (SELECT project FROM grants)",
} as const;

/** What happens, a transaction each. */
export const HISTORY: readonly (readonly [what: string, ...statements: string[]])[] = [
  ["a value enters", "UPDATE projects SET owner = 'ann' WHERE id = 2"],
  ["a value leaves", "UPDATE projects SET owner = 'bob' WHERE id = 1"],
  ["rows leave, others come", "UPDATE issues SET project = 5 - project WHERE id IN (2, 5, 6)"],
  [
    "a value leaves, and a row of it",
    "UPDATE issues SET project = 4 WHERE id = 2",
    "DELETE FROM projects WHERE id = 3",
  ],
  [
    "a value enters, and rows of it are written",
    "INSERT INTO projects VALUES (3, 'ann', 2)",
    "INSERT INTO issues VALUES (20, 3, 1, 1, 'with it', false)",
    "UPDATE issues SET title = 'with it' WHERE project = 3",
  ],
  [
    "values change places",
    "UPDATE projects SET owner = CASE owner WHEN 'ann' THEN 'bob' ELSE 'ann' END",
  ],
  [
    "a value enters and leaves",
    "UPDATE projects SET owner = 'ann' WHERE id = 4",
    "UPDATE projects SET owner = 'cyd' WHERE id = 4",
  ],
  [
    "a row leaves by one condition and comes by another",
    "UPDATE issues SET project = 4, reviewer = 2 WHERE id < 4",
    "UPDATE projects SET owner = 'bob' WHERE id = 2",
  ],
  ["one condition of a row goes", "UPDATE projects SET owner = 'cyd' WHERE owner = 'ann'"],
  [
    "the other comes and goes",
    "UPDATE projects SET owner = 'bob' WHERE id = 1",
    "UPDATE issues SET reviewer = 1 WHERE id < 4",
  ],
  ["both come", "UPDATE projects SET owner = CASE WHEN id % 2 = 1 THEN 'ann' ELSE 'bob' END"],
  ["the innermost subquery changes", "UPDATE teams SET is_active = NOT is_active"],
  [
    "it changes, the middle one does not",
    "INSERT INTO teams VALUES (7, true)",
    "UPDATE projects SET team = 7 WHERE team IN (SELECT id FROM teams WHERE is_active)",
  ],
  ["a pair enters, a pair leaves", "UPDATE grants SET level = 3 - level WHERE person = 'ann'"],
  ["one of two that give a value goes", "DELETE FROM grants WHERE person = 'bob'"],
  ["so does the other", "DELETE FROM grants WHERE project = 1"],
  ["a row takes another key", "UPDATE issues SET id = 30 WHERE id = 1"],
  ["and another, and moves", "UPDATE issues SET id = 31, project = project % 4 + 1 WHERE id = 30"],
  ["left sides become NULL", "UPDATE issues SET project = NULL WHERE id IN (3, 4)"],
  ["nothing is given any more", "DELETE FROM projects", "DELETE FROM grants"],
  [
    "much is given at once",
    "INSERT INTO projects SELECT n, 'ann', 1 FROM generate_series(1, 400) n",
    "INSERT INTO grants SELECT 'ann', n, 1 FROM generate_series(1, 4) n",
  ],
  ["left sides are set again", "UPDATE issues SET project = 1 WHERE project IS NULL"],
  ["every row goes", "DELETE FROM issues", "DELETE FROM projects WHERE id > 3"],
  [
    "rows come",
    `INSERT INTO issues
     SELECT n, n % 4 + 1, n % 3 + 1, n % 2 + 1, 'new', false FROM generate_series(1, 9) n`,
  ],
];

/** One of these has any number of others in its transaction. */
export function randomChange(random: () => number): string {
  const below = (limit: number) => Math.floor(random() * limit);
  const project = 1 + below(4);
  const person = ["ann", "bob", "cyd"][below(3)]!;
  const [id, level] = [1 + below(12), 1 + below(2)];
  const changes = [
    `INSERT INTO projects VALUES (${project}, '${person}', ${level})
     ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, team = excluded.team`,
    `UPDATE projects SET owner = '${person}' WHERE id <> ${project}`,
    `DELETE FROM projects WHERE id = ${project}`,
    `UPDATE teams SET is_active = NOT is_active WHERE id = ${level}`,
    `INSERT INTO grants VALUES ('${person}', ${project}, ${level}) ON CONFLICT DO NOTHING`,
    `DELETE FROM grants WHERE project = ${project}`,
    `INSERT INTO issues VALUES (${id}, ${project}, ${1 + below(4)}, ${level}, 'random', false)
     ON CONFLICT (id) DO UPDATE SET project = excluded.project, title = 'again'`,
    `UPDATE issues SET project = NULLIF(project % 4, 0), reviewer = ${project} WHERE id = ${id}`,
    `UPDATE issues SET done = NOT done, level = ${level} WHERE id % 3 = ${below(3)}`,
    `DELETE FROM issues WHERE id = ${id}`,
  ];
  return changes[below(changes.length)]!;
}
