/** The page's last chapter: what its words mean. */
import { type Html, html } from "../html.ts";
import type { Report } from "../report_data.ts";

export function glossarySection({ models }: Report): Html {
  const grouped = models.some(({ metrics }) => metrics.interval.unit === "person");
  return html`
    <h2 id="words">How to read this</h2>
    <dl class="words">
      <dt>Guess</dt>
      <dd>What somebody would score who never looks at a picture and says the same each time: the most
    frequent class of the training set, or its median age. A network worth anything beats it.</dd>
      <dt>95 % interval</dt>
      <dd>The test set is a sample. With other faces of the same kind, the score would have come out a
    little different; the interval says how much. Where it holds the guess's score, the network has not
    been shown to be better. ${grouped &&
      "Several pictures of one person count as one draw of that person, not as so many."}</dd>
      <dt>Loss</dt>
      <dd>What training makes small: the cross-entropy of classes, or the mean absolute error of ages, and
    the penalty on large weights (L2) that the network was trained with.</dd>
      <dt>Curves</dt>
      <dd>The training line is measured while the network still changes and with dropout on, so it can
    lie below the validation line; the table measures the finished network on both.</dd>
      <dt>Train, validation, test</dt>
      <dd>A network that is much better on the faces it was trained with than on the others has learnt
    them by heart.</dd>
      <dt>face-api</dt>
      <dd>A library for the browser, with a network for age and gender that others trained on other
    data. It sees the same crops without their margin, in 112 × 112 pixels, and was not made for drawn
    faces.</dd>
      <dt>Gender and age</dt>
      <dd>What the data sets recorded. A prediction says what a picture resembles, nothing about who a
    person is, and must not decide anything about anybody.</dd>
    </dl>
  `;
}
