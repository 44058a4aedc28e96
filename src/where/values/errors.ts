/** What can be wrong with a value: its text is none of its type, or an operation refuses it. */

/**
 * Postgres would raise an error here. In a constant part of a WHERE it is the client's mistake; on
 * a row of the stream it ends the shape, whose snapshot would fail as well.
 */
export class EvaluationError extends Error {
  override readonly name = "EvaluationError";
  /** Five characters, Appendix A of the manual. */
  readonly sqlState: string;

  constructor(message: string, sqlState: string) {
    super(message);
    this.sqlState = sqlState;
  }
}

/** Codes of Appendix A that several operations raise. */
export const SQL_STATE = {
  arraySubscriptError: "2202E",
  characterNotInRepertoire: "22021",
  dataException: "22000",
  datetimeFieldOverflow: "22008",
  divisionByZero: "22012",
  featureNotSupported: "0A000",
  intervalFieldOverflow: "22015",
  invalidArgumentForPower: "2201F",
  invalidDatetimeFormat: "22007",
  invalidEscapeSequence: "22025",
  invalidParameterValue: "22023",
  invalidTextRepresentation: "22P02",
  invalidTimeZoneDisplacement: "22009",
  nullValueNotAllowed: "22004",
  numericValueOutOfRange: "22003",
  programLimitExceeded: "54000",
  substringError: "22011",
  undefinedFunction: "42883",
  untranslatableCharacter: "22P05",
} as const;

/** The text is none that the type's input function takes. */
export class InvalidText extends EvaluationError {
  /** The type's name as Postgres spells it in this message: `integer`, `double precision`. */
  readonly typeName: string;
  readonly text: string;

  constructor(
    typeName: string,
    text: string,
    sqlState: string = SQL_STATE.invalidTextRepresentation,
  ) {
    super(`invalid input syntax for type ${typeName}: "${text}"`, sqlState);
    this.typeName = typeName;
    this.text = text;
  }

  /** The text is a number, but the type has none so large. */
  static outOfRange(typeName: string, text: string): EvaluationError {
    return new EvaluationError(
      `value "${text}" is out of range for type ${typeName}`,
      SQL_STATE.numericValueOutOfRange,
    );
  }
}
