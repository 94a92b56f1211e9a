/** Fictional example texts. */
export const EXAMPLES = [
  { name: "examples.rumour", text: "听说云溪市的自来水出大事了，医院已经住满，内部消息，电视台不敢报！看到的赶紧转给家人，今晚千万别喝！" },
  { name: "examples.notice", text: "据云溪市卫生健康委通报，5月12日对全市自来水的抽检全部合格。居民如有疑问，可拨打市水务热线咨询。" },
  { name: "examples.cure", text: "专家终于承认：大蒜泡水一夜，第二天空腹喝下，三天血压正常，医院却从来不告诉你。赶紧转给家里老人！" },
];
