/** What C's `isspace` takes for white space in the "C" locale, as part of a regular expression. */
export const SPACE = "[ \\t\\n\\v\\f\\r]*";
